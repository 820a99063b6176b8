"""Embeds aligned faces through each consumer's own code, or through its contract where the product is no package.

Usage: consumers.py FOLDER. It holds faces.bin (N x 112 x 112 x 3, uint8, RGB) and jobs.json: a list of
{"consumer": NAME, "file": PATH, "out": PATH}. For each job the float32 numbers of N embeddings are written, and
reports.json lists {"consumer", "out"} or {"consumer", "out", "error"}.
"""

import json
import multiprocessing
import os
import shutil
import sys
import warnings

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
warnings.filterwarnings("ignore")

import cv2  # noqa: E402
import numpy as np  # noqa: E402


def insightface_pack(path):
    """The pack's folder is moved to where insightface keeps packs, and loaded by name."""
    from insightface.app import FaceAnalysis

    pack = os.path.dirname(path)
    root = os.path.join(os.path.dirname(pack), "root")
    os.makedirs(os.path.join(root, "models"), exist_ok=True)
    place = os.path.join(root, "models", "petal")
    if not os.path.exists(place):
        shutil.copytree(pack, place)
    app = FaceAnalysis(name="petal", root=root, providers=["CPUExecutionProvider"])
    assert sorted(app.models) == ["detection", "recognition"], sorted(app.models)
    model = app.models["recognition"]
    return lambda bgr: model.get_feat(bgr)[0]


def insightface(path):
    from insightface.model_zoo import get_model

    model = get_model(path, providers=["CPUExecutionProvider"])
    return lambda bgr: model.get_feat(bgr)[0]


def uniface(path):
    from uniface.recognition.base import BaseRecognizer, PreprocessConfig

    class Recognizer(BaseRecognizer):
        def __init__(self):
            super().__init__(model_path=path, preprocessing=PreprocessConfig(), providers=["CPUExecutionProvider"])

    recognizer = Recognizer()
    return lambda bgr: recognizer.get_embedding(bgr, None)[0]


def opencv(path):
    recognizer = cv2.FaceRecognizerSF.create(path, "")
    return lambda bgr: recognizer.feature(bgr)[0].copy()


def opencv_classic(path):
    engine = getattr(cv2.dnn, "ENGINE_CLASSIC", None)
    net = cv2.dnn.readNetFromONNX(path) if engine is None else cv2.dnn.readNetFromONNX(path, engine)

    def run(bgr):
        net.setInput(cv2.dnn.blobFromImage(bgr, 1.0, (112, 112), (0, 0, 0), swapRB=True))
        return net.forward()[0].copy()

    return run


def deepface(path):
    """Its contract: insightface's get_model opens buffalo_l/webface_r50.onnx; its planes are reversed twice."""
    from insightface.model_zoo import get_model

    assert path.endswith("buffalo_l/webface_r50.onnx")
    model = get_model(path)
    model.prepare(ctx_id=-1, input_size=(112, 112))
    return lambda bgr: model.get_feat(bgr[:, :, ::-1][:, :, ::-1]).flatten()


def onnxruntime_session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def immich(path):
    """Its contract: the first dimension is named batch, the first input is fed -1..1 RGB, the first output is taken."""
    session = onnxruntime_session(path)
    feed = session.get_inputs()[0]
    assert feed.shape[0] == "batch", f"the batch is called {feed.shape[0]}"
    assert len(session.get_outputs()) == 1, "more than one output"

    def run(bgr):
        planes = (bgr[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) - 127.5) / 127.5
        return session.run(None, {feed.name: np.ascontiguousarray(planes)})[0][0]

    return run


def frigate_planes(bgr):
    """Its crops are OpenCV's, and their planes stay as they are: blue first."""
    return np.transpose(bgr.astype(np.float32) / 127.5 - 1.0, (2, 0, 1))[None]


def frigate(path):
    """Its contract: an input named data, batch 1, the first output."""
    session = onnxruntime_session(path)
    return lambda bgr: session.run(None, {"data": frigate_planes(bgr)})[0][0]


def frigate_openvino(path, config=None):
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", config or {})
    request = compiled.create_infer_request()
    assert list(compiled.inputs[0].get_shape()) == [1, 3, 112, 112]

    def run(bgr):
        request.infer({"data": frigate_planes(bgr)})
        return request.get_output_tensor(0).data[0].copy()

    return run


openers = {
    "insightface, a pack": insightface_pack,
    "insightface, --levels 9": insightface,
    "uniface": uniface,
    "uniface, --levels 9": uniface,
    "opencv": opencv,
    "opencv classic": opencv_classic,
    "deepface": deepface,
    "immich": immich,
    "frigate": frigate,
    "openvino, float32": lambda path: frigate_openvino(path, {"INFERENCE_PRECISION_HINT": "f32"}),
    "openvino, its default": frigate_openvino,
}


def embed_all(job, faces, pipe):
    """In a process of its own: some consumers crash."""
    try:
        embed = openers[job["consumer"]](job["file"])
        rows = [embed(np.ascontiguousarray(face[:, :, ::-1])) for face in faces]
        np.asarray(rows, np.float32).reshape(len(faces), -1).tofile(job["out"])
        pipe.send(None)
    except Exception as error:  # whatever the consumer's code raises is the result
        pipe.send(f"{type(error).__name__}: {error}".split("\n")[0][:200])


def main():
    folder = sys.argv[1]
    faces = np.fromfile(os.path.join(folder, "faces.bin"), np.uint8).reshape(-1, 112, 112, 3)
    with open(os.path.join(folder, "jobs.json"), encoding="utf8") as file:
        jobs = json.load(file)
    reports = []
    for job in jobs:
        report = {"consumer": job["consumer"], "out": job["out"]}
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.Process(target=embed_all, args=(job, faces, there))
        child.start()
        there.close()
        try:
            error = here.recv()
        except EOFError:
            child.join()
            error = f"it crashed (exit code {child.exitcode})"
        child.join()
        if error is not None:
            report["error"] = error
        reports.append(report)
    with open(os.path.join(folder, "reports.json"), "w", encoding="utf8") as file:
        json.dump(reports, file)


if __name__ == "__main__":
    main()
