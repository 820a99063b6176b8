import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type EncodedModel,
  encodeModel,
  encodeWithPlaces,
  type Graph,
  isExternal,
  lower,
  setBatch,
  sizeOf,
} from "onnx-grad";
import { PetalfaceError } from "petalface";
import {
  type AdapterConfig,
  backboneRecord,
  exportedGraph,
  initialTheta,
  layoutOf,
  proveSites,
  saveAdapter,
  selectSites,
  withOutputs,
} from "petalface/adapters";
import { openBackbone } from "petalface/backbones";
import { faceSpacePath } from "petalface/images";
import { measureOf, qualityGraph } from "petalface/quality";
import { shrinkingRecipe, trainingGraph, trainingOptions } from "petalface/training";
import type { AlphaPlaces, Place, StudioPlan } from "./src/plan.ts";

/** What the page is made for. */
export interface PrepareOptions {
  /** A path, or a name that `petalface models` knows. */
  readonly model: string;
  /** New folder for the page's graphs. */
  readonly folder: string;
  readonly rank?: number | undefined;
  /**
   * Low resolutions to train and to measure on, in pixels, for models whose faces are not about 112
   * px.
   */
  readonly lrPixels?: readonly number[] | undefined;
  readonly measured?: readonly number[] | undefined;
}

/** Batch of a step in the browser: small, since a page has a few gigabytes at most. */
const batch = 16;

/** Files of onnxruntime-web that its WebGPU build loads when it starts; `ort/` next to the page. */
const engineFiles = ["ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"];

/**
 * Makes everything that the page loads but its own code: the training graph and the frozen and
 * adapted networks, each lowered for WebGPU and for wasm, the first theta, the face space, the
 * engine's files and the plan that says what is what. Throws PetalfaceError if the model cannot be
 * adapted.
 */
export async function prepareStudio({
  model,
  folder,
  rank,
  lrPixels,
  measured = [16, 12],
}: PrepareOptions): Promise<StudioPlan> {
  const backbone = await openBackbone(model);
  const options = trainingOptions({
    ...shrinkingRecipe,
    ...(rank !== undefined && { rank }),
    batch,
    accumulate: 1,
    lrPixels,
    learningRate: 2e-3,
  });
  const { sites, unfit } = await proveSites(backbone);
  const config: AdapterConfig = {
    method: "lora",
    gate: options.gate,
    rank: options.rank,
    scale: options.scale,
    sites: selectSites(sites, options.sites, unfit).map((site) => site.name),
    backbone: backboneRecord(backbone),
    calibration: { measure: options.quality, ...markedRange },
  };
  await mkdir(join(folder, "ort"), { recursive: true });
  const training = trainingGraph(backbone, config, options, 0);
  const layout = layoutOf(backbone, config);
  // Any numbers but 0, which could be left out: the page writes the trained ones over them.
  const placeholders = Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i + 0.5));
  const adapted = withOutputs(await exportedGraph(backbone, { config, theta: placeholders }, "quality"), "embedding");
  // The page appends the calibration that it fits.
  const metadata = new Map([...adapted.metadata].filter(([key]) => key !== "petalface.calibration"));
  const face = placed({ ...adapted, metadata });

  const quality = qualityGraph(backbone, measureOf(options.quality));
  const trainers = { webgpu: placed(lower(training.graph, "webgpu")), wasm: placed(lower(training.graph, "wasm")) };
  const files = new Map<string, Uint8Array>([["face", face.bytes]]);
  for (const target of ["webgpu", "wasm"] as const) {
    files.set(`train-${target}`, trainers[target].bytes);
    // Where alpha is 1 the deployed network has the frozen one's bits, which holds only if nothing
    // is rewritten in either.
    files.set(`frozen-${target}`, encodeModel(lower(setBatch(backbone.graph, batch), target, { exact: true })));
  }
  files.set("quality", encodeModel(setBatch(quality.graph, batch)));
  for (const [name, bytes] of files) await writeFile(join(folder, `${name}.onnx`), bytes);
  await writeFile(join(folder, "theta.f32"), await initialTheta(backbone, layout, options.seed));
  await saveAdapter(join(folder, "adapter"), backbone, { config, theta: placeholders });
  await copyFile(faceSpacePath, join(folder, "facespace.safetensors"));
  const engine = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web")));
  for (const file of engineFiles) await copyFile(join(engine, file), join(folder, "ort", file));

  const { spec, parameters, size, width, input, output } = backbone;
  const plan: StudioPlan = {
    format: 1,
    model: { ...spec, parameters, size, width, input, output },
    options,
    measured,
    train: {
      image: training.inputs.image,
      loss: training.outputs.loss,
      alpha: training.outputs.alpha,
      gradient: training.outputs.theta,
    },
    trained: layout.length,
    places: layout.slots.map(({ name, dims, offset, length }): Place => {
      return { name, dims, offset, length, byte: placeOf(face, name, length) };
    }),
    quality: { measure: options.quality, score: quality.score },
    alpha: {
      "train-webgpu": alphaPlaces(trainers.webgpu),
      "train-wasm": alphaPlaces(trainers.wasm),
      face: alphaPlaces(face),
    },
  };
  await writeFile(join(folder, "studio.json"), `${JSON.stringify(plan, null, 1)}\n`);
  return plan;
}

/** A graph as a file, and where its constants lie in it. */
interface PlacedGraph extends EncodedModel {
  readonly constants: Graph["constants"];
}

const placed = (graph: Graph): PlacedGraph => ({ ...encodeWithPlaces(graph), constants: graph.constants });

/** Stands for alpha's range until the page has fitted one: numbers that no other constant has. */
const markedRange = { low: -7919.2451, high: -1033.7713 } as const;

/**
 * Where alpha's range lies in a file: two scalars whose names the lowering may change, so they are
 * found by value.
 */
function alphaPlaces(file: PlacedGraph): AlphaPlaces {
  const scalar = (value: number, what: string): number => {
    const [found, ...others] = [...file.constants].filter(
      ([, constant]) => !isExternal(constant) && constant.data.length === 1 && constant.data[0] === Math.fround(value),
    );
    if (found === undefined || others.length > 0) throw lost(what);
    return placeOf(file, found[0], 1);
  };
  const { low, high } = markedRange;
  return { low: scalar(low, "alpha's low end"), slope: scalar(1 / (high - low), "alpha's slope") };
}

/** First byte of a float32 constant of so many numbers. */
function placeOf({ places, constants }: PlacedGraph, name: string, length: number): number {
  const [place, constant] = [places.get(name), constants.get(name)];
  if (place === undefined || constant?.dtype !== "float32" || sizeOf(constant.dims) !== length) throw lost(name);
  return place;
}

const lost = (name: string): PetalfaceError =>
  new PetalfaceError(
    "PETAL_MODEL_UNSUPPORTED",
    `the exported model does not hold "${name}" as it was trained; this model cannot be adapted in a page`,
  );
