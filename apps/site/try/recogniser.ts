import * as ort from "onnxruntime-web/wasm";
import { type Pixels, toInput, toPlanes } from "petalface/portable";
import { type Rule, ruleOf } from "./judge.ts";
import { metadataOf } from "./metadata.ts";

/** A file of `petalface export` that runs in the page. */
export interface Recogniser {
  /** Side of its square input in pixels. */
  readonly size: number;
  /** How the file makes alpha of quality; undefined for a model without a gate. */
  readonly rule: Rule | undefined;
  /** Unit embedding of a face, and alpha where the file has it as an output. */
  embed(face: Pixels): Promise<{ readonly embedding: Float32Array; readonly alpha: number | undefined }>;
  release(): Promise<void>;
}

const standardSide = 112;

type Triple = readonly [number, number, number];

/** The numbers of the three channels, as petalface writes them: with commas. */
function channelsOf(text: string): Triple {
  const [red, green, blue, ...more] = text.split(",").map(Number);
  if (red === undefined || green === undefined || blue === undefined || more.length > 0)
    throw new Error("the file's petalface.* metadata is damaged; export the model again");
  return [red, green, blue];
}

/**
 * Opens an exported file. Pixels are fed as its metadata says.
 *
 * @throws Error where it is no model, or was not written by `petalface export`
 */
export async function openRecogniser(bytes: Uint8Array): Promise<Recogniser> {
  const metadata = metadataOf(bytes);
  const [mean, scale] = [metadata.get("petalface.mean"), metadata.get("petalface.scale")];
  if (mean === undefined || scale === undefined)
    throw new Error("the file does not say how pixels become its input; write it with petalface export");
  const channels = metadata.get("petalface.channels") === "bgr" ? "bgr" : "rgb";
  const spec = { mean: channelsOf(mean), scale: channelsOf(scale), channels } as const;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const [input] = session.inputMetadata;
  const side = input?.isTensor === true ? Number(input.shape[2]) : Number.NaN;
  const size = Number.isInteger(side) ? side : standardSide;
  const [inputName = ""] = session.inputNames;
  const [outputName = ""] = session.outputNames;
  return {
    size,
    rule: ruleOf(metadata),
    async embed(face) {
      const planes = new Uint8Array(3 * size * size);
      toPlanes(face, planes, 0);
      const { data, dims } = toInput(planes, 1, 1, size, spec);
      const results = await session.run({ [inputName]: new ort.Tensor("float32", data as Float32Array, dims) });
      const raw = results[outputName]?.data;
      if (!(raw instanceof Float32Array)) throw new Error("the first output holds no float32 numbers");
      const length = Math.hypot(...raw);
      const alpha = results.alpha?.data[0];
      return { embedding: raw.map((value) => value / length), alpha: alpha === undefined ? undefined : Number(alpha) };
    },
    release: () => session.release(),
  };
}
