import type { Tensor } from "onnx-grad";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { Onnxruntime } from "./onnxruntime.ts";

/**
 * Runs a session once. Inputs and outputs are row-major tensors by name; the numbers are shared,
 * not copied.
 */
export async function runSession(
  { Tensor }: Onnxruntime,
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const given = Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
    name,
    new Tensor(dtype as "float32", data as Float32Array, dims),
  ]);
  const results: Readonly<Record<string, OrtTensor>> = await session.run(Object.fromEntries(given));
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [name, { dtype: type, dims, data } as Tensor]),
  );
}
