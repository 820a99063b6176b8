import { GraphBuilder, ops, type Tensor } from "onnx-grad";
import { messageOf } from "../errors.ts";
import { openEngine } from "./engine.ts";
import { floatsOf } from "./index.ts";
import type { Provider } from "./types.ts";

// A process of its own, started by probe.ts: opening a provider whose driver is broken may print,
// crash or hang.
const provider = process.argv[2] as Provider;

/**
 * A convolution, a product and a sum whose results are small whole numbers, which every device
 * computes exactly.
 */
async function compute(): Promise<number[]> {
  const builder = new GraphBuilder({ name: "probe", opset: 20 });
  const o = ops(builder);
  const x = builder.input("x", { dtype: "float32", shape: [1, 1, 3, 3] });
  const blurred = o.conv(x, o.floats([1, 1, 1, 1], [1, 1, 2, 2]));
  const product = o.matmul(o.reshape(blurred, [2, 2]), o.floats([1, 2, 3, 4], [2, 2]));
  const y = o.add(product, 1);
  const { run, close } = await openEngine(builder.build([y]), { provider, threads: 1 });
  try {
    const input: Tensor = { dtype: "float32", dims: [1, 1, 3, 3], data: Float32Array.from({ length: 9 }, (_, i) => i) };
    return Array.from(floatsOf(await run({ [x]: input }), y));
  } finally {
    await close();
  }
}

try {
  const values = await compute();
  // The input is 0..8, so the sums of its 2 x 2 windows are 8, 12, 20, 24.
  if (values.join() !== "45,65,93,137") throw new Error(`it computes wrongly (${values.join(", ")})`);
} catch (error) {
  const text = messageOf(error);
  process.stdout.write(text.replace(/^onnxruntime could not load the graph "[^"]*" on \w+: /, ""));
  process.exitCode = 1;
}
