import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  downgradeOpset,
  encodeModel,
  float32,
  type Graph,
  GraphBuilder,
  int64,
  type Node,
  prune,
  readMetadata,
  readModel,
  type ValueType,
  writeModel,
} from "../../src/index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onnx-grad-branches-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const vector: ValueType = { dtype: "float32", shape: [3] };

/**
 * A branch that sums the outer value `twice` and a constant over its axis, which operator set 11
 * writes otherwise.
 */
function branch(name: string, added: ArrayLike<number>, file?: string): Graph {
  const [sum, out] = [`${name}/sum`, `${name}/out`];
  const nodes: Node[] = [
    { op: "Add", domain: "", name: `${name}/Add`, inputs: ["twice", `${name}/added`], outputs: [sum], attributes: {} },
    {
      op: "ReduceSum",
      domain: "",
      name: `${name}/ReduceSum`,
      attributes: { keepdims: { int: 1 } },
      inputs: [sum, `${name}/axes`],
      outputs: [out],
    },
  ];
  const constant =
    file === undefined ? float32(added) : { dtype: "float32" as const, dims: [3], file, offset: 4, length: 12 };
  return {
    name,
    opset: 18,
    inputs: [],
    outputs: [out],
    nodes,
    metadata: new Map(),
    types: new Map([
      [sum, vector],
      [out, { dtype: "float32", shape: [1] }],
    ]),
    constants: new Map([
      [`${name}/added`, constant],
      [`${name}/axes`, int64([0])],
    ]),
  };
}

/** `x`, `which` -> the sum of 2 x + 1 (true) or of 2 x + 10, 20, 30 (false). */
async function choosing(): Promise<Graph> {
  const file = join(folder, "weights.bin");
  await writeFile(file, new Uint8Array(Float32Array.of(0, 10, 20, 30).buffer));
  const b = new GraphBuilder({ name: "choosing", opset: 18 });
  const x = b.input("x", vector);
  b.input("which", { dtype: "bool", shape: [1] });
  const two = b.constant(float32(2));
  b.push({ op: "Mul", domain: "", name: "Mul", inputs: [x, two], outputs: ["twice"], attributes: {} });
  b.add("Neg", [x]);
  const graph = b.build(["twice"]);
  const branches = {
    then_branch: { graph: branch("then", [1, 1, 1]) },
    else_branch: { graph: branch("else", [], file) },
  };
  const node: Node = { op: "If", domain: "", name: "If", inputs: ["which"], outputs: ["y"], attributes: branches };
  const types = new Map(graph.types).set("y", { dtype: "float32", shape: [1] });
  return { ...graph, nodes: [...graph.nodes, node], types, outputs: ["y"], metadata: new Map([["key", "value"]]) };
}

async function answers(model: Uint8Array | string): Promise<number[]> {
  const session = await (typeof model === "string" ? InferenceSession.create(model) : InferenceSession.create(model));
  const out: number[] = [];
  for (const which of [true, false]) {
    const { y } = await session.run({
      x: new Tensor("float32", Float32Array.of(1, 2, 3), [3]),
      which: new Tensor("bool", [which], [1]),
    });
    out.push(Number(y?.data[0]));
  }
  await session.release();
  return out;
}

describe("branches of an If", () => {
  it("are written with their weights, from memory and from files", async () => {
    const graph = await choosing();
    expect(await answers(encodeModel(graph))).toEqual([15, 72]);
    const path = join(folder, "choosing.onnx");
    await writeModel(graph, path);
    expect(await answers(path)).toEqual([15, 72]);
  });

  it("keep the values that they use when a graph is pruned", async () => {
    const graph = prune(await choosing());
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Mul", "If"]);
    expect(await answers(encodeModel(graph))).toEqual([15, 72]);
  });

  it("are brought to older operator sets", async () => {
    const graph = downgradeOpset(await choosing(), 11);
    expect(graph.opset).toBe(11);
    expect(await answers(encodeModel(graph))).toEqual([15, 72]);
  });

  it("are not read, but the metadata of the file are", async () => {
    const path = join(folder, "choosing.onnx");
    await writeModel(await choosing(), path);
    await expect(readModel(path)).rejects.toThrow("models with control flow (If, Loop, Scan) are not supported");
    expect(readMetadata(path)).toEqual(new Map([["key", "value"]]));
  });
});
