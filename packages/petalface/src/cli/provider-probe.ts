import { GraphBuilder } from "onnx-grad";
import { openSession, type Provider } from "../runtime/index.ts";

// A process of its own, started by `petalface doctor`: opening a provider whose driver is broken may print, or crash.
const provider = process.argv[2] as Provider;
try {
  const builder = new GraphBuilder({ name: "probe", opset: 20 });
  const x = builder.input("x", { dtype: "float32", shape: [2] });
  const y = builder.add("Add", [x, x]);
  const session = await openSession(builder.build([y]), { provider, threads: 1 });
  const result = await session.run({ [x]: { dtype: "float32", dims: [2], data: new Float32Array([1, 2]) } });
  await session.close();
  const values = Array.from(result[y]?.data as Float32Array);
  if (values.join() !== "2,4") throw new Error(`1 + 1 and 2 + 2 gave ${values.join(" and ")}`);
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
