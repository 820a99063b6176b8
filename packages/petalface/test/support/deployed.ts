import { join } from "node:path";
import type { Graph } from "onnx-grad";
import {
  type Adapter,
  type AdapterConfig,
  findSites,
  initialTheta,
  layoutOf,
  saveAdapter,
  selectSites,
} from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import type { Preprocessing } from "../../src/models/index.ts";
import { random } from "../../src/random.ts";
import { writeTinyBackbone } from "./backbone.ts";

/** An adapter with drawn weights on a backbone, gate closing on sharp faces. */
export async function drawnAdapter(
  backbone: Backbone,
  calibration: AdapterConfig["calibration"],
  gate: AdapterConfig["gate"] = "low",
  spread = 0.05,
): Promise<Adapter> {
  const config: AdapterConfig = {
    ...({ method: "lora", rank: 4, scale: 1, gate } as const),
    sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration,
  };
  const draw = random("deployed", 1);
  const theta = (await initialTheta(backbone, layoutOf(backbone, config), 1)).map((v) => v + spread * draw.normal());
  return { config, theta };
}

/** Alpha of {@link noiseFaces} is from 0 to 1 under this. */
const calibration = { measure: "sharpness", low: 5, high: 9 } as const;

/** A tiny recogniser of 112 px in a folder, normalised as given, and a drawn adapter. */
export async function openDeployed(folder: string, normalize?: string) {
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model, 1, 112);
  const backbone = await openBackbone(model, { normalize });
  return { model, backbone, adapter: await drawnAdapter(backbone, calibration) };
}

/** The same, the adapter saved: the options of a command that name both. */
export async function saveDeployed(folder: string): Promise<readonly string[]> {
  const { model, backbone, adapter } = await openDeployed(folder);
  await saveAdapter(join(folder, "adapter"), backbone, adapter);
  return ["--model", model, "--adapter", join(folder, "adapter")];
}

/** Noise of growing contrast, as 8-bit planes: alpha from 0 to 1 under sharpness from 5 to 9. */
export function noiseFaces(count: number, size: number): Uint8Array {
  const draw = random("faces", 1);
  const face = 3 * size ** 2;
  return Uint8Array.from({ length: count * face }, (_, i) => {
    const contrast = Math.min(120, 3 * 1.6 ** Math.floor(i / face));
    return Math.round(128 + contrast * (2 * draw.uniform() - 1));
  });
}

/** Embeddings by petalface itself. */
export async function embedHere(model: EmbeddingModel, planes: Uint8Array, count: number) {
  const embedder = await openEmbedder(model, { threads: 1, batch: count });
  const { data, alpha } = await embedder.embed(planes, count);
  await embedder.close();
  return { data: data.slice(), alpha: alpha?.slice() ?? new Float32Array() };
}

/** What a program feeds that works on float32 after its own formula, one face after the other. */
export function fedAs(planes: Uint8Array, count: number, size: number, { mean, scale, channels }: Preprocessing) {
  const plane = size ** 2;
  return Float32Array.from({ length: count * 3 * plane }, (_, at) => {
    const [face, place] = [Math.floor(at / (3 * plane)), Math.floor(at / plane) % 3];
    const colour = channels === "bgr" ? 2 - place : place;
    const pixel = planes[(3 * face + colour) * plane + (at % plane)];
    return (pixel - mean[colour]) * scale[colour];
  });
}

/** Cosine of each pair of rows. */
export function cosines(a: Float32Array, b: Float32Array, width: number): number[] {
  return Array.from({ length: a.length / width }, (_, row) => {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      const [x, y] = [a[i], b[i]];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return ab / Math.sqrt(aa * bb);
  });
}

/** The rows at unit length, as programs compare them. */
export function unitRows(data: Float32Array, width: number): Float32Array {
  const unit = data.slice();
  for (let start = 0; start < data.length; start += width) {
    const row = unit.subarray(start, start + width);
    const length = Math.hypot(...row);
    for (let i = 0; i < width; i++) row[i] /= length;
  }
  return unit;
}

/** Operators of a graph. */
export const operatorsOf = ({ nodes }: Graph): ReadonlySet<string> =>
  new Set(nodes.map(({ op, domain }) => (domain === "" ? op : `${domain}.${op}`)));
