import { float32, type Graph, GraphBuilder, itemAt, lower, ops, type Tensor } from "onnx-grad";
import { Tensor as OrtTensor } from "onnxruntime-node";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table } from "../skeleton/page.ts";
import { openPlain } from "../skeleton/sessions.ts";
import { drawer, relativeError } from "../skeleton/statistics.ts";
import { inTurns, processorSeconds } from "../skeleton/turns.ts";

/**
 * Rows, inputs and outputs: two layers of a transformer's MLP and one that makes queries, keys and
 * values.
 */
type Shape = readonly [number, number, number];
const shapes: readonly Shape[] = [
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

export default defineBenchmark({
  name: "bytes",
  title: "8-bit forms of one product",
  measures: "How fast and how exact a product with 8-bit weights is, by the form of its bytes.",
  minutes: 1,
  options: { rounds: { help: "rounds that are timed", default: 15 } },
  async run({ rounds }) {
    const rows: string[][] = [];
    for (const shape of shapes) rows.push(...(await measure(shape, rounds)));
    return {
      body: `One thread; processor time, least of ${rounds} rounds. Products are rows x inputs x outputs, inputs and weights normal. "Off by"
is the length of the difference from float32 over float32's length. For a processor without VNNI:
\`scripts/as-avx2 npm run bench -- bytes --page bytes-avx2\`.

${table(["product", "form of the weights", "ms", "times float32", "off by"], rows)}`,
    };
  },
});

/** Numbers of about a normal distribution: sums of twelve uniform ones. */
function normal(count: number, seed: number): Float32Array {
  const draw = drawer(seed);
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += draw();
    return sum;
  });
}

function product(rows: number, weight: Tensor): Graph {
  const b = new GraphBuilder({ name: "product", opset: 20 });
  const x = b.input("x", { dtype: "float32", shape: [rows, itemAt(weight.dims, 0)] });
  return b.build([ops(b).matmul(x, b.constant(weight, "weight"))]);
}

/**
 * The same product by bytes of another form: one scale for each output, nothing said about
 * neighbours.
 */
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

async function measure([rows, inputs, outputs]: Shape, rounds: number): Promise<string[][]> {
  const [data, weight] = [normal(rows * inputs, 1), normal(inputs * outputs, 2)];
  const exact = product(rows, float32(weight, [inputs, outputs]));
  const forms: [string, Graph][] = [
    ["float32", exact],
    ["petalface: signed, neighbours fit", lower(exact, "cpu", { int8: true })],
    ...Object.entries(others).map(([name, { zero, most }]): [string, Graph] => [
      name,
      otherForm(exact, weight, outputs, zero, most),
    ]),
  ];
  const sessions = await openPlain(forms.map(([, graph]) => graph));
  const x = new OrtTensor("float32", data, [rows, inputs]);
  const results: Float32Array[] = [];
  const turns = sessions.map(
    (session, at) => () =>
      processorSeconds(async () => {
        results[at] = (await session.run({ x }))[itemAt(session.outputNames, 0)]?.data as Float32Array;
      }),
  );
  const best = (await inTurns(turns, { rounds })).map((seconds) => 1000 * Math.min(...seconds));
  for (const session of sessions) await session.release();
  return forms.map(([name], at) => [
    `${rows} x ${inputs} x ${outputs}`,
    name,
    itemAt(best, at).toFixed(1),
    (itemAt(best, 0) / itemAt(best, at)).toFixed(2),
    `${(100 * relativeError(itemAt(results, at), itemAt(results, 0))).toFixed(2)} %`,
  ]);
}
