import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { InferenceSession } from "onnxruntime-node";
import { expect, it } from "vitest";
import { itemAt } from "../src/graph/item-at.ts";
import * as onnxGrad from "../src/index.ts";
import { run } from "./run.ts";

const root = join(import.meta.dirname, "..");

it("example/tiny.ts learns", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, "example/tiny.ts")]);
  const losses = [...stdout.matchAll(/loss ([\d.]+)/g)].map((match) => Number(match[1]));
  expect(losses).toHaveLength(4);
  expect(losses.at(-1)).toBeLessThan(0.02);
});

it("the README's table names every rule and nothing else", async () => {
  const { rules } = await import("../src/gradient/table.ts");
  const readme = await readFile(join(root, "README.md"), "utf8");
  const table = readme.slice(readme.indexOf("| family"), readme.indexOf("Any operator may"));
  const named = table
    .split("\n")
    .slice(2)
    .flatMap((line) => (line.split("|")[2] ?? "").replaceAll(/\([^)]*\)/g, "").split(/[\s,]+/))
    .filter(Boolean);
  const standard = [...rules.keys()].filter((op) => !op.includes(":"));
  expect(named.toSorted()).toEqual(standard.toSorted());
});

/** The README's blocks of TypeScript, in their order. */
const snippets = async (): Promise<string[]> =>
  [...(await readFile(join(root, "README.md"), "utf8")).matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ""]) => code);

/** Runs a block with what it takes for granted, and gives what it names. */
async function follow(code: string, given: Readonly<Record<string, unknown>>, wanted: string): Promise<unknown> {
  const body = code.replaceAll(/^import .*$/gm, "");
  const names = Object.keys(given);
  const script = `return (async (${names.join(", ")}) => { ${body}\nreturn ${wanted}; })(...values)`;
  return await (new Function("values", script)(Object.values(given)) as Promise<unknown>);
}

it("every snippet of the README works", async () => {
  const [first = "", file = "", provider = "", rows = "", rule = "", check = "", ...more] = await snippets();
  expect(more).toEqual([]);
  const given = { ...onnxGrad, InferenceSession };
  const made = (await follow(first, given, "{ graph, session, b, loss }")) as {
    graph: onnxGrad.Graph;
    session: InferenceSession;
    b: onnxGrad.GraphBuilder;
    loss: string;
  };
  expect(made.session.outputNames).toEqual([made.loss, "dw"]);
  const feed = (dims: number[]) => ({
    dtype: "float32" as const,
    dims,
    data: new Float32Array(itemAt(dims, 0) * itemAt(dims, 1)).fill(1),
  });
  const feeds = { x: feed([64, 2]), y: feed([64, 1]), w: feed([2, 1]) };
  const result = await run(made.graph, feeds);
  expect(Number(result[itemAt(made.graph.outputs, 0)]?.data[0])).toBeCloseTo(1, 5);
  expect(Array.from(result.dw?.data as Float32Array)).toEqual([2, 2]);

  // A model from a file: a face recogniser of one layer with a fixed batch.
  const b = new onnxGrad.GraphBuilder({ name: "face", opset: 17 });
  const image = b.input("image", { dtype: "float32", shape: [1, 3, 4, 4] });
  const o = onnxGrad.ops(b);
  const model = b.build([b.add("Flatten", [o.relu(image)])]);
  const folder = await mkdtemp(join(tmpdir(), "onnx-grad-readme-"));
  await onnxGrad.writeModel(model, join(folder, "face.onnx"));
  const located = file.replace("face.onnx", join(folder, "face.onnx").replaceAll("\\", "/"));
  const graph = (await follow(located, given, "graph")) as onnxGrad.Graph;
  await rm(folder, { recursive: true });
  expect(graph.opset).toBe(18);
  expect(graph.types.get("image")?.shape[0]).toBe(32);
  const traced = (await follow(rows, { ...given, graph }, "rows")) as ReadonlyMap<string, unknown>;
  expect(traced.get("image")).toMatchObject({ kind: "images", place: { axis: 0, outer: 1, inner: 1 } });

  // The CPU stands in for a GPU, which lower does not need.
  const anywhere = provider.replace(/, \{ executionProviders.*\}\)/, ")");
  const lowered = (await follow(anywhere, { ...given, graph }, "session")) as InferenceSession;
  expect(lowered.inputNames).toEqual(["image"]);

  const source = await readFile(join(root, "src/gradient/rules/elementwise.ts"), "utf8");
  expect(source).toContain(rule.trim());

  const forward = made.b.build([made.loss]);
  expect(await follow(check, { ...given, graph: forward, loss: made.loss, feeds, run }, "worst")).toBeLessThan(1e-3);
});
