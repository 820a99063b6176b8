import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Graph, GraphBuilder, ops, readModel, type Tensor, writeModel } from "onnx-grad";
import { beforeEach, describe, expect, it } from "vitest";
import { PetalfaceError } from "../../src/errors.ts";
import { type EngineKeeper, openModelFile, openSession, placementOf } from "../../src/runtime/index.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-engine-");
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(folder, "scratch-"));
});

/** A product with a frozen matrix, `[2, 4] -> [2, width]`. */
function product(width = 3): Graph {
  const b = new GraphBuilder({ name: "product", opset: 18 });
  const x = b.input("x", { dtype: "float32", shape: [2, 4] });
  const weight = b.constant(
    { dtype: "float32", dims: [4, width], data: new Float32Array(4 * width).fill(1) },
    "weight",
  );
  return b.build([ops(b).matmul(x, weight)]);
}

const feeds = (columns: number): Record<string, Tensor> => ({
  x: { dtype: "float32", dims: [2, columns], data: new Float32Array(2 * columns).fill(1) },
});

/** Expects one line for the user, and nothing left in the folder for temporary files. */
async function expectRefused(work: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PetalfaceError);
  const message = error instanceof Error ? error.message : "";
  expect(message).toMatch(pattern);
  expect(message).not.toMatch(/\n|onnxruntime_src/);
  expect(await readdir(scratch)).toEqual([]);
}

describe("an engine", () => {
  it("keeps its placed model in a temporary folder until it is closed", async () => {
    const session = await openSession(product(), { threads: 1, scratch });
    expect(await readdir(scratch)).toHaveLength(1);
    const [result] = Object.values(await session.run(feeds(4)));
    expect(result?.data).toEqual(new Float32Array(6).fill(4));
    await session.close();
    expect(await readdir(scratch)).toEqual([]);
  });

  it("says which graph onnxruntime refuses and why, and leaves nothing behind", async () => {
    const graph = product();
    const nodes = graph.nodes.map((node) => ({ ...node, op: "NoSuchOperator" }));
    await expectRefused(
      openSession({ ...graph, nodes }, { threads: 1, scratch }),
      /^onnxruntime could not load the graph "product" on cpu: .*NoSuchOperator/,
    );
  });

  it("says that the weights' file is gone, and leaves nothing behind", async () => {
    const path = join(folder, "gone.onnx");
    await writeModel(product(1e5), path);
    const graph = await readModel(path);
    await rm(path);
    await expectRefused(openSession(graph, { threads: 1, scratch }), /gone\.onnx/);
  });

  it("leaves the weights' file as it is: a hash that is remembered of it stays right", async () => {
    const path = join(folder, "untouched.onnx");
    await writeModel(product(1e5), path);
    const stamp = async () => {
      const { ctimeNs, mtimeNs, ino, nlink } = await stat(path, { bigint: true });
      return [ctimeNs, mtimeNs, ino, nlink];
    };
    const before = await stamp();
    const session = await openSession(await readModel(path), { threads: 1, scratch });
    expect(await stamp()).toEqual(before);
    await session.close();
    expect(await stamp()).toEqual(before);
  });

  it("says that the folder for temporary files cannot be written", async () => {
    const file = join(folder, "a file");
    await writeFile(file, "");
    await expectRefused(openSession(product(), { threads: 1, scratch: file }), /^cannot write .*a file: /);
  });

  it("leaves nothing behind where a run fails", async () => {
    const session = await openSession(product(), { threads: 1, scratch });
    try {
      await expect(session.run(feeds(5))).rejects.toThrow();
    } finally {
      await session.close();
    }
    expect(await readdir(scratch)).toEqual([]);
    await expect(placementOf(product(), feeds(5), { threads: 1, scratch })).rejects.toThrow();
    expect(await readdir(scratch)).toEqual([]);
  });
});

describe("an engine with a thread of its own", () => {
  const never = (): never => {
    throw new Error("the engine's thread was lost");
  };
  const keeper: EngineKeeper = { lost: never, back: never, failed: never };
  const rows = (value: number): Record<string, Tensor> => ({
    x: { dtype: "float32", dims: [2, 4], data: Float32Array.from({ length: 8 }, (_, at) => value + at / 7) },
  });

  it("computes the bits of one without, in the order of the calls, and its results stay", async () => {
    const here = await openSession(product(), { threads: 1, scratch });
    const there = await openSession(product(), { threads: 1, scratch, ownThread: keeper });
    expect([there.inputs, there.outputs]).toEqual([here.inputs, here.outputs]);
    const [output = ""] = here.outputs;
    const values = [0.1, 2.3, -4.5];
    const given = values.map(rows);
    const results = await Promise.all(given.map((one) => there.run(one)));
    for (const [at, one] of given.entries()) {
      expect(results[at]).toEqual(await here.run(one));
      // The caller still has what it gave.
      expect(one).toEqual(rows(values[at] ?? 0));
    }
    const last = rows(0.1);
    expect(await there.run(last, "given")).toEqual(results[0]);
    // It went to the thread.
    expect(last.x?.data).toHaveLength(0);
    expect(await here.run(rows(0.1), "given")).toEqual(results[0]);
    expect(results[0]?.[output]?.data).not.toEqual(results[1]?.[output]?.data);
    await here.close();
    await there.close();
    expect(await readdir(scratch)).toEqual([]);
  });

  it("refuses a graph in the same words, and leaves nothing behind", async () => {
    const graph = product();
    const nodes = graph.nodes.map((node) => ({ ...node, op: "NoSuchOperator" }));
    await expectRefused(
      openSession({ ...graph, nodes }, { threads: 1, scratch, ownThread: keeper }),
      /^onnxruntime could not load the graph "product" on cpu: .*NoSuchOperator/,
    );
  });

  it("goes on after a run that fails", async () => {
    const session = await openSession(product(), { threads: 1, scratch, ownThread: keeper });
    try {
      await expect(session.run(feeds(5))).rejects.toThrow();
      const [result] = Object.values(await session.run(feeds(4)));
      expect(result?.data).toEqual(new Float32Array(6).fill(4));
    } finally {
      await session.close();
    }
  });
});

describe("a model file", () => {
  it("that is none is refused in one line", async () => {
    const path = join(folder, "no-model.onnx");
    await writeFile(path, "no model at all");
    await expectRefused(openModelFile(path, 1), /^onnxruntime could not load .*no-model\.onnx: .*give an ONNX file$/);
  });
});
