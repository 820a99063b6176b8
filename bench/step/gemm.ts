import { GraphBuilder, ops } from "onnx-grad";
import { openSession } from "petalface/runtime";
import { wallSeconds } from "../skeleton/turns.ts";

const side = 1024;

/**
 * The best of 20 products of 1024 x 1024 matrices in onnxruntime, in GFLOP/s: what the machine
 * gives at most.
 */
export async function gemmLimit(threads: number): Promise<number> {
  const b = new GraphBuilder({ name: "gemm", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [side, side] });
  const weight = Float32Array.from({ length: side * side }, (_, i) => ((i * 7919) % 1000) / 1000 - 0.5);
  // Small outputs, so that handing them over costs nothing.
  const y = o.reduceMean(o.matmul(x, o.floats(weight, [side, side])), [0, 1], false);
  const session = await openSession(b.build([y]), { threads, optimisation: "free" });
  const feeds = { x: { dtype: "float32" as const, dims: [side, side], data: weight } };
  const seconds: number[] = [];
  for (let i = 0; i < 20; i++) seconds.push(await wallSeconds(() => session.run(feeds)));
  await session.close();
  return (2 * side ** 3) / Math.min(...seconds) / 1e9;
}
