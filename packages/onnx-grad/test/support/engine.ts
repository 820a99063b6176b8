import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { onTestFinished } from "vitest";
import { encodeModel } from "../../src/format/model.ts";
import type { Run } from "../../src/graph/run.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";

/** Folder with the files that are not part of the repository. */
export const shared = process.env.PETALFACE_SHARED ?? resolve(import.meta.dirname, "../../../../../shared");

/** A folder of its own for the running test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "onnx-grad-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a model (a path or its bytes) in onnxruntime, without its graph rewriting if `plain`. */
export async function runModel(
  model: string | Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  plain = false,
): Promise<Record<string, Tensor>> {
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    graphOptimizationLevel: plain ? "disabled" : "all",
  };
  const session =
    typeof model === "string"
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options);
  try {
    const results = await session.run(
      Object.fromEntries(
        Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
          name,
          new OrtTensor(dtype as "float32", data as Float32Array, dims),
        ]),
      ),
    );
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [
        name,
        { dtype: tensor.type, dims: tensor.dims, data: tensor.data } as unknown as Tensor,
      ]),
    );
  } finally {
    await session.release();
  }
}

/** Runs a graph in onnxruntime. */
export const run: Run = (graph, feeds) => runModel(encodeModel(graph), feeds);

/** A float32 tensor of numbers that differ from each other, the same every time. */
export function wave(dims: readonly number[], phase = 0): Tensor {
  const data = Float32Array.from({ length: sizeOf(dims) }, (_, index) => Math.sin(1.7 * index + phase));
  return { dtype: "float32", dims, data };
}
