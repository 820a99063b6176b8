/**
 * One product with a frozen weight in 8-bit whole numbers, by the form of its bytes: how far off and how fast. `npm run bench -- bytes`, and
 * `scripts/as-avx2 npm run bench -- bytes` for a processor without VNNI. Prints a table.
 */
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { encodeModel, float32, type Graph, GraphBuilder, itemAt, lower, ops, type Tensor } from "onnx-grad";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { random } from "../../packages/petalface/src/random.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const rounds = Number(values.rounds);
/** Rows, inputs and outputs: two layers of a transformer's MLP and one that makes queries, keys and values. */
const shapes: readonly (readonly [number, number, number])[] = [
  [392, 768, 3072],
  [392, 3072, 768],
  [1568, 384, 1152],
];

/** Zero point and largest step of forms that petalface does not use. */
const others = {
  "signed, 8 bits": { zero: 0, most: 127 },
  "signed, 7 bits": { zero: 0, most: 64 },
  "unsigned, 8 bits": { zero: 128, most: 127 },
} as const;

const draws = random("bytes");
const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => draws.normal());

function product(rows: number, weight: Tensor): Graph {
  const b = new GraphBuilder({ name: "product", opset: 20 });
  const x = b.input("x", { dtype: "float32", shape: [rows, itemAt(weight.dims, 0)] });
  return b.build([ops(b).matmul(x, b.constant(weight, "weight"))]);
}

/** The same product by bytes of another form: one scale for each output, nothing said about neighbours. */
function otherForm(graph: Graph, weight: Float32Array, outputs: number, zero: 0 | 128, most: number): Graph {
  const scales = new Float32Array(outputs);
  weight.forEach((value, at) => {
    scales[at % outputs] = Math.max(itemAt(scales, at % outputs), Math.abs(value) / most);
  });
  const steps = Array.from(weight, (value, at) => Math.round(value / itemAt(scales, at % outputs)) + zero);
  const dims = [weight.length / outputs, outputs];
  const bytes: Tensor = zero
    ? { dtype: "uint8", dims, data: Uint8Array.from(steps) }
    : { dtype: "int8", dims, data: Int8Array.from(steps) };
  const point: Tensor = zero
    ? { dtype: "uint8", dims: [], data: Uint8Array.of(zero) }
    : { dtype: "int8", dims: [], data: Int8Array.of(0) };
  const constants = new Map([
    ["bytes", bytes],
    ["scales", float32(scales)],
    ["point", point],
  ]);
  const inputs = ["x", "bytes", "scales", "point"];
  const nodes = graph.nodes.map((node) => ({ ...node, op: "DynamicQuantizeMatMul", domain: "com.microsoft", inputs }));
  return { ...graph, constants, nodes };
}

interface Running {
  readonly name: string;
  readonly session: InferenceSession;
  best: number;
  result: Float32Array;
}

async function measure(rows: number, inputs: number, outputs: number): Promise<void> {
  const [data, weight] = [normal(rows * inputs), normal(inputs * outputs)];
  const exact = product(rows, float32(weight, [inputs, outputs]));
  const forms: [string, Graph][] = [
    ["float32", exact],
    ["petalface: signed, neighbours fit", lower(exact, "cpu", { int8: true })],
    ...Object.entries(others).map(([name, { zero, most }]): [string, Graph] => [
      name,
      otherForm(exact, weight, outputs, zero, most),
    ]),
  ];
  const running = await Promise.all(
    forms.map(
      async ([name, graph]): Promise<Running> => ({
        name,
        session: await InferenceSession.create(encodeModel(graph), { intraOpNumThreads: 1 }),
        best: Number.POSITIVE_INFINITY,
        result: new Float32Array(),
      }),
    ),
  );
  const x = new OrtTensor("float32", data, [rows, inputs]);
  for (let round = 0; round < rounds; round++)
    for (const form of running) {
      const start = used();
      const results = await form.session.run({ x });
      form.best = Math.min(form.best, used() - start);
      form.result = results[itemAt(form.session.outputNames, 0)]?.data as Float32Array;
    }
  const [float] = running as [Running];
  for (const { name, best, result } of running) {
    const off = distance(result, float.result);
    const times = (float.best / best).toFixed(2);
    console.log(
      `| ${rows} x ${inputs} x ${outputs} | ${name} | ${best.toFixed(1)} | ${times} | ${(100 * off).toFixed(2)} % |`,
    );
  }
  await Promise.all(running.map(({ session }) => session.release()));
}

/** Length of the difference over the length of what is right. */
function distance(values: Float32Array, right: Float32Array): number {
  let [off, length] = [0, 0];
  values.forEach((value, at) => {
    off += (value - itemAt(right, at)) ** 2;
    length += itemAt(right, at) ** 2;
  });
  return Math.sqrt(off / length);
}

/** Milliseconds of processor time since the process began. */
function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

console.log(
  `${cpus()[0]?.model}, ${availableParallelism()} cores, one thread; processor time, least of ${rounds} rounds\n`,
);
console.log("| product | form of the weights | ms | times float32 | off by |\n| --- | --- | --- | --- | --- |");
for (const shape of shapes) await measure(...shape);
