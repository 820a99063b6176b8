import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
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

it("the README's first snippet gives the loss and the gradient", async () => {
  const { differentiate, GraphBuilder, ops } = onnxGrad;
  const readme = await readFile(join(root, "README.md"), "utf8");
  const snippet = readme.match(/```ts\n([\s\S]*?)```/)?.[1] ?? "";
  const body = snippet
    .split("\n")
    .filter((line) => !/^import|InferenceSession/.test(line))
    .join("\n");
  const graph = new Function("differentiate", "GraphBuilder", "ops", `${body}\nreturn graph;`)(
    differentiate,
    GraphBuilder,
    ops,
  ) as onnxGrad.Graph;
  const feed = (dims: number[]) => ({
    dtype: "float32" as const,
    dims,
    data: new Float32Array(itemAt(dims, 0) * itemAt(dims, 1)).fill(1),
  });
  const result = await run(graph, { x: feed([64, 2]), y: feed([64, 1]), w: feed([2, 1]) });
  expect(Number(result[itemAt(graph.outputs, 0)]?.data[0])).toBeCloseTo(1, 5);
  expect(Array.from(result.dw?.data as Float32Array)).toEqual([2, 2]);
});
