import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Graph, itemAt, readModel } from "onnx-grad";
import { type Backbone, type Embedder, toInput, writeModelFile } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import { isGiven, measureOf, printCalibration, qualityGraph } from "../../quality/index.ts";
import { floatsOf, openSession, type Session, type SessionOptions } from "../../runtime/index.ts";
import type { Adapter } from "../config.ts";
import { exportedGraph } from "./export.ts";

/** What a folder of levels holds, as `levels.json`. */
export interface LevelsFile {
  readonly format: 1;
  readonly input: string;
  readonly output: string;
  readonly size: number;
  readonly width: number;
  /** Model of `alpha` `[N]`, and its output. */
  readonly quality: { readonly file: string; readonly output: string };
  /**
   * Merged networks and the alpha that each serves, ascending: an image goes to the one nearest to
   * its alpha.
   */
  readonly levels: readonly { readonly alpha: number; readonly file: string }[];
}

/** Name of the list of levels. */
const levelsFile = "levels.json";

/** What becomes of the network of a level before it is written, such as another precision. */
export type ChangeLevel = (graph: Graph, alpha: number) => Promise<Graph>;

/**
 * Refuses adapters whose alpha has no levels: judged outside, or not clamped to [0, 1]. Throws
 * PetalfaceError.
 */
export function refuseWithoutLevels({ calibration }: Adapter["config"]): void {
  if (calibration.kind === "paper" || calibration.kind === "given")
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "alpha is not clamped to [0, 1] or is an input, so it has no levels; export with 'alpha=input'",
    );
  if (isGiven(calibration.measure))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `alpha comes from a score that you have already: ${printCalibration(calibration)}; export the networks with 'alpha=0', 'alpha=0.5', ... and send each face to the one nearest`,
    );
}

/**
 * Writes alpha rounded to `count` levels as that many merged networks, each as fast as the frozen
 * one, and a small model that judges alpha. A program can load those that it needs.
 */
export async function exportLevels(
  folder: string,
  backbone: Backbone,
  adapter: Adapter,
  count: number,
  change: ChangeLevel = async (graph) => graph,
): Promise<LevelsFile> {
  const { calibration, weights } = adapter.config;
  refuseWithoutLevels(adapter.config);
  const { graph, alpha } = qualityGraph(backbone, measureOf(calibration.measure, weights), calibration);
  if (alpha === undefined) throw new Error("a calibrated measure without alpha");
  const levels: { alpha: number; file: string }[] = [];
  await writeFileSafely(join(folder, "README.txt"), readme);
  await writeModelFile({ ...graph, outputs: [alpha] }, join(folder, qualityFile));
  let output = backbone.output;
  for (let level = 0; level < count; level++) {
    const at = level / (count - 1);
    const merged = await change(await exportedGraph(backbone, adapter, at), at);
    output = itemAt(merged.outputs, 0);
    const file = levelFile(level);
    await writeModelFile(merged, join(folder, file));
    levels.push({ alpha: at, file });
  }
  const { input, size, width } = backbone;
  const document: LevelsFile = {
    format: 1,
    input,
    output,
    size,
    width,
    quality: { file: qualityFile, output: alpha },
    levels,
  };
  await writeFileSafely(join(folder, levelsFile), `${JSON.stringify(document, null, 2)}\n`);
  return document;
}

const qualityFile = "quality.onnx";
const levelFile = (level: number): string => `level-${String(level).padStart(2, "0")}.onnx`;

/** Paths of everything that {@link exportLevels} writes. */
export const levelFiles = (folder: string, count: number): string[] =>
  ["README.txt", qualityFile, levelsFile, ...Array.from({ length: count }, (_, level) => levelFile(level))].map(
    (name) => join(folder, name),
  );

const readme = `A face recogniser as merged networks, one for each level of image quality.
Run quality.onnx for alpha, then each image through the network of levels.json whose alpha is nearest. All embeddings are of one gallery.
`;

/**
 * Opens a folder of levels as one embedder, on the backbone's preprocessing. Throws PetalfaceError
 * if the folder is none.
 */
export async function openLevels(
  folder: string,
  backbone: Pick<Backbone, "spec">,
  options: SessionOptions & { readonly batch?: number } = {},
): Promise<Embedder> {
  const path = join(folder, levelsFile);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined)
    throw new PetalfaceError(
      "PETAL_MODEL_MISSING",
      `${folder}: no ${levelsFile}; give a folder that an export with 'levels' wrote`,
    );
  const { input, output, size, width, quality, levels } = JSON.parse(text) as LevelsFile;
  const open = async (file: string): Promise<Session> => openSession(await readModel(join(folder, file)), options);
  const judge = await open(quality.file);
  const networks: Session[] = [];
  for (const { file } of levels) networks.push(await open(file));
  const face = 3 * size * size;
  return {
    size,
    width,
    batch: options.batch ?? 32,
    async embed(pixels, count) {
      const image = toInput(pixels, count, count, size, backbone.spec);
      const alpha = floatsOf(await judge.run({ [input]: image }), quality.output);
      const data = new Float32Array(count * width);
      const served = Float32Array.from(alpha, (value) => Math.round(value * (levels.length - 1)));
      for (const [level, network] of networks.entries()) {
        const rows = Array.from({ length: count }, (_, row) => row).filter((row) => served[row] === level);
        if (rows.length === 0) continue;
        const part = new Float32Array(rows.length * face);
        rows.forEach((row, at) => {
          part.set(image.data.subarray(row * face, (row + 1) * face), at * face);
        });
        const results = await network.run({
          [input]: { dtype: "float32", dims: [rows.length, 3, size, size], data: part },
        });
        const embeddings = floatsOf(results, output);
        rows.forEach((row, at) => {
          data.set(embeddings.subarray(at * width, (at + 1) * width), row * width);
        });
      }
      return { count, width, data, alpha: served.map((level) => level / (levels.length - 1)) };
    },
    async close() {
      for (const session of [judge, ...networks]) await session.close();
    },
  };
}
