import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession as NodeSession, Tensor as NodeTensor } from "onnxruntime-node";
import { env, InferenceSession as WebSession, Tensor as WebTensor } from "onnxruntime-web";
import { type Adapter, adaptedModel, exportModel } from "petalface/adapters";
import { type Backbone, openEmbedder, toInput } from "petalface/backbones";
import { readFloats } from "../skeleton/floats.ts";
import type { Python } from "../skeleton/python.ts";
import { largestDifference } from "../skeleton/statistics.ts";
import { processorSeconds } from "../skeleton/turns.ts";

/** Faces that all runtimes see: 8-bit planes, a whole number of batches. */
export interface Faces {
  readonly planes: Uint8Array;
  readonly count: number;
  readonly batch: number;
}

interface Embedded {
  readonly embedding: Float32Array;
  readonly alpha: Float32Array;
}

/** One exported file under one runtime, against the training side. */
export interface RuntimeRow {
  readonly name: string;
  /** Faces a second of processor time. */
  readonly rate: number;
  /**
   * Largest difference of any number over the largest number; undefined for the training side
   * itself.
   */
  readonly embedding?: number;
  readonly alpha?: number;
}

/** Exports the adapter with its judge inside and embeds the same faces with it everywhere. */
export async function compareRuntimes(
  folder: string,
  backbone: Backbone,
  adapter: Adapter,
  { planes, count, batch }: Faces,
  python: Python | undefined,
): Promise<RuntimeRow[]> {
  const face = 3 * backbone.size ** 2;
  const dims = [batch, 3, backbone.size, backbone.size];
  const inputOf = (start: number): Float32Array =>
    toInput(planes.subarray(start * face), batch, batch, backbone.size, backbone.spec).data;
  const all = async (run: (start: number) => Promise<Embedded>): Promise<Embedded & { rate: number }> => {
    const embedding = new Float32Array(count * backbone.width);
    const alpha = new Float32Array(count);
    // The first batch warms up.
    await run(0);
    let seconds = 0;
    for (let start = 0; start < count; start += batch) {
      seconds += await processorSeconds(async () => {
        const part = await run(start);
        embedding.set(part.embedding, start * backbone.width);
        alpha.set(part.alpha, start);
      });
    }
    return { embedding, alpha, rate: count / seconds };
  };

  const file = join(folder, "face.onnx");
  await exportModel(file, backbone, adapter, "quality", "embedding,alpha");
  const embedder = await openEmbedder(adaptedModel(backbone, adapter), { threads: 1, batch });
  const truth = await all(async (start) => {
    const { data, alpha = new Float32Array() } = await embedder.embed(planes.subarray(start * face), batch);
    return { embedding: data, alpha };
  });
  await embedder.close();
  const rows: RuntimeRow[] = [{ name: "training side, onnxruntime-node", rate: truth.rate }];
  const add = (name: string, got: Embedded & { rate: number }): void => {
    rows.push({
      name,
      rate: got.rate,
      embedding: largestDifference(got.embedding, truth.embedding),
      alpha: largestDifference(got.alpha, truth.alpha),
    });
  };

  env.wasm.numThreads = 1;
  const addFile = async (name: string, session: NodeSession | WebSession, Tensor: typeof NodeTensor): Promise<void> => {
    const [embedding = "", alpha = ""] = session.outputNames;
    const got = await all(async (start) => {
      const results = await session.run({ [backbone.input]: new Tensor("float32", inputOf(start), dims) });
      return { embedding: results[embedding].data as Float32Array, alpha: results[alpha].data as Float32Array };
    });
    await session.release();
    add(`${name}, the file`, got);
  };
  await addFile("onnxruntime-node", await NodeSession.create(file, { intraOpNumThreads: 1 }), NodeTensor);
  const web = await WebSession.create(await readFile(file), { executionProviders: ["wasm"] });
  await addFile("onnxruntime-web (wasm)", web, WebTensor);

  if (python === undefined) return rows;
  const inputs = new Float32Array(count * face);
  for (let start = 0; start < count; start += batch) inputs.set(inputOf(start), start * face);
  await writeFile(join(folder, "input.bin"), new Uint8Array(inputs.buffer));
  const args = [join(import.meta.dirname, "runtime.py"), folder, String(backbone.size), String(batch)];
  const [version = "", rate = ""] = python.run(args).split(" ");
  add(`Python onnxruntime ${version}, the file`, {
    embedding: await readFloats(join(folder, "embedding.bin")),
    alpha: await readFloats(join(folder, "alpha.bin")),
    rate: Number(rate),
  });
  return rows;
}
