import { PetalfaceError } from "../errors.ts";
import type { Preprocessing } from "../models/index.ts";
import { type Contract, type TargetName, targetNames } from "./contract.ts";

const feeding = (mean: number, scale: number, channels: Preprocessing["channels"] = "rgb"): Preprocessing => ({
  mean: [mean, mean, mean],
  scale: [scale, scale, scale],
  channels,
});

/** -1..1, as most programs feed. */
const centred = feeding(127.5, 1 / 127.5);
/** Pixels as they are. */
const pixels = feeding(0, 1);

/** Converters for small devices: fixed shapes, old operators, one network without a gate. */
const converter = {
  batch: 1,
  feeding: centred,
  opset: 12,
  standardOnly: true,
  merged: true,
  enrolled: "yours",
} as const satisfies Partial<Contract>;

/**
 * What is known of each target. Every entry was read from the code or the manual that its sources
 * name.
 */
export const contracts: Readonly<Record<TargetName, Contract>> = {
  insightface: {
    name: "insightface",
    about: "insightface for Python (read: 2.1, 0.7), and what loads its packs, such as FaceID",
    sources: [
      {
        from: "github.com/deepinsight/insightface",
        paths: [
          "python-package/insightface/model_zoo/arcface_onnx.py",
          "python-package/insightface/model_zoo/model_zoo.py",
          "python-package/insightface/app/face_analysis.py",
        ],
      },
    ],
    input: "input.1",
    batch: "None",
    feeding: centred,
    readsNodeNames: true,
    levels: true,
    layout: {
      model: "recognition.onnx",
      detector: "detection.onnx",
      belongs: "~/.insightface/models/NAME, a pack of its own",
    },
    next: [
      "a pack needs a detector next to the recogniser: give 'detector', or copy det_*.onnx of the pack that you use",
      "load it with FaceAnalysis(name=NAME), or the file alone with model_zoo.get_model(FILE)",
    ],
    enrolled: "yours",
    threshold: "cosine",
  },
  immich: {
    name: "immich",
    about: "Immich's machine learning (read: releases with insightface's classes, and the later ones without)",
    sources: [
      {
        from: "github.com/immich-app/immich",
        paths: [
          "machine-learning/immich_ml/models/facial_recognition/recognition.py",
          "machine-learning/immich_ml/models/base.py",
          "server/src/services/person.service.ts",
        ],
      },
    ],
    input: "input.1",
    // Another name makes earlier releases rewrite the file.
    batch: "batch",
    size: 112,
    feeding: centred,
    readsNodeNames: true,
    levels: true,
    layout: {
      model: "recognition/model.onnx",
      detector: "detection/model.onnx",
      belongs: "the model cache: facial-recognition/NAME, NAME as in the settings (such as buffalo_l)",
    },
    next: [
      "stop the machine learning container",
      "keep a copy of recognition/model.onnx and put this one in its place; detection/ stays",
      "remove recognition/openvino and recognition/coreml, where they are there: they hold the old model",
      "start the container again",
      "new photos get the new embeddings; Refresh leaves faces that were found before as they are, and Reset deletes the people",
    ],
    enrolled: "embeddings",
    threshold: "cosine distance",
  },
  frigate: {
    name: "frigate",
    about: "Frigate 0.16 and later, face recognition with model_size: large",
    sources: [
      {
        from: "github.com/blakeblackshear/frigate",
        paths: [
          "frigate/embeddings/onnx/face_embedding.py",
          "frigate/embeddings/onnx/base_embedding.py",
          "frigate/data_processing/common/face/model.py",
          "frigate/detectors/detection_runners.py",
        ],
      },
    ],
    input: "data",
    batch: 1,
    size: 112,
    // Its crops are OpenCV's, blue first, and nothing reverses the planes before they are fed.
    feeding: feeding(127.5, 1 / 127.5, "bgr"),
    layout: { model: "facedet/arcface.onnx", belongs: "/config/model_cache" },
    next: [
      "set face_recognition: model_size: large",
      "stop Frigate",
      "keep a copy of /config/model_cache/facedet/arcface.onnx and put this one in its place",
      "remove facedet/arcface.rknn, where it is there: it holds the old model",
      "start Frigate again; it embeds the photos in clips/faces again",
    ],
    enrolled: "photos",
    threshold: "frigate score",
  },
  uniface: {
    name: "uniface",
    about: "uniface for Python (read: 4.2)",
    sources: [{ from: "github.com/yakhyo/uniface", paths: ["uniface/recognition/base.py"] }],
    batch: "batch",
    feeding: centred,
    levels: true,
    layout: { model: "recognition.onnx", belongs: "any folder" },
    next: ["open it with a class of yours: BaseRecognizer with this file and PreprocessConfig()"],
    enrolled: "yours",
    threshold: "cosine",
  },
  deepface: {
    name: "deepface",
    about: "DeepFace for Python, model_name Buffalo_L (read: 0.0.95)",
    sources: [
      {
        from: "github.com/serengil/deepface",
        paths: [
          "deepface/models/facial_recognition/Buffalo_L.py",
          "deepface/modules/preprocessing.py",
          "deepface/modules/recognition.py",
        ],
      },
      { from: "github.com/deepinsight/insightface", paths: ["python-package/insightface/model_zoo/arcface_onnx.py"] },
    ],
    input: "input.1",
    batch: "None",
    size: 112,
    feeding: centred,
    readsNodeNames: true,
    levels: true,
    layout: { model: "buffalo_l/webface_r50.onnx", belongs: "~/.deepface/weights" },
    next: [
      "keep a copy of ~/.deepface/weights/buffalo_l/webface_r50.onnx and put this one in its place",
      "remove the ds_*.pkl files of each db_path: they hold embeddings of the old model",
      'call it with model_name="Buffalo_L"',
    ],
    enrolled: "photos",
    threshold: "cosine distance",
  },
  "insightface-rest": {
    name: "insightface-rest",
    about: "InsightFace-REST (read: 0.8, and the later if_rest)",
    sources: [
      {
        from: "github.com/SthPhoenix/InsightFace-REST",
        paths: ["src/api_trt/modules/configs.py", "if_rest/core/model_zoo/exec_backends/onnxrt_backend.py"],
      },
    ],
    batch: "batch",
    size: 112,
    feeding: centred,
    layout: { model: "onnx/custom_rec_model/custom_rec_model.onnx", belongs: "the folder mounted as /models" },
    next: [
      "remove trt-engines/custom_rec_model, where it is there: it holds the old model",
      "start the container with REC_NAME=custom_rec_model",
    ],
    enrolled: "yours",
    threshold: "cosine",
  },
  opencv: {
    name: "opencv",
    about: "OpenCV 4 and 5: FaceRecognizerSF, and dnn with blobFromImage(image, 1, (112, 112), swapRB=True)",
    sources: [{ from: "github.com/opencv/opencv", paths: ["modules/objdetect/src/face_recognize.cpp"] }],
    // Its engine of version 5 fails on edgeface_xs with a fixed batch, whose own file has an open
    // one.
    batch: "N",
    size: 112,
    feeding: pixels,
    opset: 12,
    standardOnly: true,
    layout: { model: "recognition.onnx", belongs: "any folder" },
    next: ["open it with cv2.FaceRecognizerSF.create(FILE, '')"],
    enrolled: "yours",
    threshold: "cosine",
  },
  triton: {
    name: "triton",
    about: "NVIDIA Triton Inference Server, ONNX Runtime backend",
    sources: [{ from: "the manual of Triton", paths: ["Model Repository", "Model Configuration"] }],
    batch: "batch",
    feeding: centred,
    opset: 17,
    levels: true,
    layout: {
      model: "1/model.onnx",
      description: { path: "config.pbtxt", kind: "triton" },
      belongs: "the model repository; the folder's name is the model's",
    },
    next: ["load the model again, or start the server again"],
    enrolled: "yours",
    threshold: "cosine",
  },
  deepstream: {
    name: "deepstream",
    about: "NVIDIA DeepStream, nvinfer as secondary inference",
    sources: [{ from: "the manual of DeepStream", paths: ["Gst-nvinfer"] }],
    batch: "batch",
    feeding: pixels,
    opset: 17,
    standardOnly: true,
    layout: {
      model: "recognition.onnx",
      description: { path: "config_infer_secondary.txt", kind: "deepstream" },
      belongs: "the folder of your application's configuration",
    },
    next: [
      "remove the old .engine file: it holds the old model",
      "nvinfer crops the detector's box and aligns nothing: adapt on such crops, or align before it",
    ],
    enrolled: "yours",
    threshold: "cosine",
  },
  rknn: {
    ...converter,
    name: "rknn",
    about: "Rockchip's RKNN-Toolkit2",
    sources: [{ from: "the manual of RKNN-Toolkit2", paths: ["OP support", "load_onnx"] }],
    layout: { model: "recognition.onnx", belongs: "the converter's folder" },
    next: ["convert it with load_onnx, without mean_values and std_values: it takes -1..1"],
  },
  hailo: {
    ...converter,
    name: "hailo",
    about: "Hailo's Dataflow Compiler",
    sources: [{ from: "the manual of the Dataflow Compiler", paths: ["Supported layers", "translate_onnx_model"] }],
    layout: { model: "recognition.onnx", belongs: "the compiler's folder" },
    next: ["translate it with translate_onnx_model; it takes -1..1"],
  },
  tflite: {
    ...converter,
    name: "tflite",
    about: "converters to TensorFlow Lite (onnx2tf)",
    sources: [{ from: "github.com/PINTO0309/onnx2tf", paths: ["README.md"] }],
    layout: { model: "recognition.onnx", belongs: "the converter's folder" },
    next: ["convert it with onnx2tf -i FILE; it takes -1..1"],
  },
};

/** The contract of a target. Throws PetalfaceError with the names there are. */
export function contractOf(name: string): Contract {
  const known = targetNames.find((each) => each === name);
  if (known === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `'for' ${name}: there is no such target; choose among ${targetNames.join(", ")}, plain, or ask with 'for=list'`,
    );
  return contracts[known];
}
