import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { setBatch } from "../../src/batch/set-batch.ts";
import { GraphBuilder } from "../../src/build/builder.ts";
import { encodeModel, readModel, writeModel } from "../../src/format/model.ts";
import { mapModel, placeModel } from "../../src/format/place.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { isExternal, type Tensor } from "../../src/graph/tensor.ts";
import { run, runModel, scratch, shared, wave } from "../support/engine.ts";

/** A product with weights of 40 x 500 numbers, in memory. */
function product() {
  const builder = new GraphBuilder({ name: "product", opset: 18 });
  const x = builder.input("x", { dtype: "float32", shape: [{ symbol: "N", times: 1 }, 40] });
  const y = builder.add("MatMul", [x, builder.constant(wave([40, 500]), "w")]);
  return builder.build([builder.add("Add", [y, builder.constant(wave([500]), "b")])]);
}

/** The products of two files, one minus the other. */
async function difference(one: string, two: string): Promise<Graph> {
  const builder = new GraphBuilder({ name: "both", opset: 18 });
  const x = builder.input("x", { dtype: "float32", shape: [2, 40] });
  const parts: string[] = [];
  for (const path of [one, two]) {
    const { constants } = await readModel(path);
    const weights = [...constants.values()].find((constant) => constant.dims.length === 2);
    parts.push(builder.add("MatMul", [x, builder.constant(weights ?? wave([1]))]));
  }
  return builder.build([builder.add("Sub", parts)]);
}

/** Opens a mapped model as whoever uses {@link mapModel} has to. */
async function openMapped(graph: Graph, folder: string, options: InferenceSession.SessionOptions = {}) {
  const mapped = await mapModel(graph, folder);
  if (mapped === undefined) throw new Error("files of one test lie on several drives");
  const session = { model_external_initializers_file_folder_path: mapped.root, disable_prepacking: "1" };
  return { mapped, session: await InferenceSession.create(mapped.bytes, { ...options, extra: { session } }) };
}

async function runMapped(graph: Graph, folder: string, feeds: Record<string, Tensor>): Promise<unknown[]> {
  const { session } = await openMapped(graph, folder);
  const given = Object.entries(feeds).map(([name, { data, dims }]) => [
    name,
    new OrtTensor("float32", data as Float32Array, dims),
  ]);
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return Object.values(results).map(({ data }) => data);
}

describe.each(["mobilefacenet", "fr_feature"])("%s (needs shared/weights)", (name) => {
  const path = join(shared, "weights", `${name}.onnx`);

  it.skipIf(!existsSync(path))("gives exactly the numbers of the original file from where it was placed", async () => {
    const graph = await readModel(path);
    const folder = scratch();
    const placed = await placeModel(graph, folder);
    expect(placed).toBe(join(folder, "model.onnx"));
    expect(statSync(placed).size).toBeLessThan(100_000);
    const feeds = { [itemAt(graph.inputs, 0)]: wave([1, 3, 112, 112]) };
    expect(await runModel(placed, feeds)).toEqual(await runModel(path, feeds));
  });

  it.skipIf(!existsSync(path) || !existsSync("/proc/self/maps"))("has its weights mapped by onnxruntime", async () => {
    const folder = scratch();
    const session = await InferenceSession.create(await placeModel(await readModel(path), folder), {
      graphOptimizationLevel: "disabled",
      extra: { session: { disable_prepacking: "1" } },
    });
    const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
    await session.release();
    // Each big tensor is mapped by itself.
    expect(maps.filter((line) => line.includes(join(folder, "weights-0.bin"))).length).toBeGreaterThan(20);
  });

  it.skipIf(!existsSync(path))("is mapped where it lies, which gives its numbers and does not touch it", async () => {
    const before = statSync(path, { bigint: true });
    const graph = await readModel(path);
    const folder = scratch();
    const feeds = { [itemAt(graph.inputs, 0)]: wave([1, 3, 112, 112]) };
    const { mapped, session } = await openMapped(graph, folder, { graphOptimizationLevel: "disabled" });
    expect(mapped.bytes.length).toBeLessThan(100_000);
    // Each big tensor is mapped by itself.
    const maps = existsSync("/proc/self/maps") ? readFileSync("/proc/self/maps", "utf8").split("\n") : undefined;
    if (maps) expect(maps.filter((line) => line.endsWith(`${name}.onnx`)).length).toBeGreaterThan(20);
    await session.release();
    expect(await runMapped(graph, folder, feeds)).toEqual(
      Object.values(await runModel(path, feeds)).map(({ data }) => data),
    );
    expect(readdirSync(folder)).toEqual([]);
    const after = statSync(path, { bigint: true });
    expect([after.ctimeNs, after.mtimeNs, after.nlink]).toEqual([before.ctimeNs, before.mtimeNs, before.nlink]);
  });

  it.skipIf(!existsSync(path))(
    "can be read back from where it was placed, its weights still in their file",
    async () => {
      const graph = await readModel(path);
      const again = await readModel(await placeModel(setBatch(graph, "N"), scratch()));
      const count = (of: typeof graph) => [...of.constants.values()].filter(isExternal).length;
      expect(count(again)).toBe(count(graph));
      expect(again.types.get(itemAt(again.inputs, 0))?.shape[0]).toEqual({ symbol: "N", times: 1 });
    },
  );
});

describe("mapModel", () => {
  it("puts big constants that are in memory into a file", async () => {
    const folder = scratch();
    const graph = product();
    const mapped = await mapModel(graph, folder);
    expect(mapped?.bytes.length).toBeLessThan(10_000);
    expect(statSync(join(folder, "constants.bin")).size).toBe(81_920);
    const feeds = { x: wave([3, 40]) };
    expect(await runMapped(graph, folder, feeds)).toEqual(
      Object.values(await run(graph, feeds)).map(({ data }) => data),
    );
  });

  it("finds weights behind links and under any name, of several files", async () => {
    const real = join(scratch(), "zw\u00f6lf \u6708");
    mkdirSync(real);
    const folder = join(scratch(), "linked");
    symlinkSync(real, folder);
    const [one, two] = [join(folder, "one.onnx"), join(folder, "two.onnx")];
    for (const path of [one, two]) await writeModel(product(), path);
    const [result] = await runMapped(await difference(one, two), scratch(), { x: wave([2, 40]) });
    expect(result).toEqual(new Float32Array(2 * 500));
  });

  it("notices weights that shrank or went away", async () => {
    const path = join(scratch(), "p.onnx");
    await writeModel(product(), path);
    const graph = await readModel(path);
    truncateSync(path, 100);
    await expect(mapModel(graph, scratch())).rejects.toThrow(/shorter than when the model was read/);
    rmSync(path);
    await expect(mapModel(graph, scratch())).rejects.toThrow(/the weights file is gone/);
    await expect(mapModel(product(), join(scratch(), "none"))).rejects.toThrow(/cannot be written/);
  });
});

describe("placeModel", () => {
  it("puts big constants that are in memory beside the model", async () => {
    const folder = scratch();
    const graph = product();
    const path = await placeModel(graph, folder);
    expect(statSync(path).size).toBeLessThan(10_000);
    expect(statSync(join(folder, "constants.bin")).size).toBe(81_920);
    const feeds = { x: wave([3, 40]) };
    expect(await runModel(path, feeds)).toEqual(await run(graph, feeds));
  });

  it("can be repeated in the same folder", async () => {
    const source = join(scratch(), "p.onnx");
    writeFileSync(source, encodeModel(product()));
    const graph = await readModel(source);
    const folder = scratch();
    await placeModel(graph, folder);
    const path = await placeModel(graph, folder);
    const feeds = { x: wave([3, 40]) };
    expect(await runModel(path, feeds)).toEqual(await run(product(), feeds));
    expect(existsSync(source)).toBe(true);
  });

  it.skipIf(!existsSync("/dev/shm") || statSync("/dev/shm").dev === statSync(tmpdir()).dev)(
    "copies weights that lie on another device",
    async () => {
      const folder = mkdtempSync("/dev/shm/onnx-grad-");
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const source = join(scratch(), "p.onnx");
      await writeModel(product(), source);
      const path = await placeModel(await readModel(source), folder);
      const feeds = { x: wave([3, 40]) };
      expect(await runModel(path, feeds)).toEqual(await run(product(), feeds));
      expect(statSync(join(folder, "weights-0.bin")).nlink).toBe(1);
    },
  );

  it("joins weights of several files", async () => {
    const [one, two] = [join(scratch(), "one.onnx"), join(scratch(), "zw\u00f6lf.onnx")];
    for (const path of [one, two]) await writeModel(product(), path);
    const graph = await difference(one, two);
    const folder = scratch();
    const [result] = Object.values(await runModel(await placeModel(graph, folder), { x: wave([2, 40]) }));
    expect(existsSync(join(folder, "weights-1.bin"))).toBe(true);
    expect(result?.data.every((value) => value === 0)).toBe(true);
  });

  it("notices weights that shrank or went away", async () => {
    const path = join(scratch(), "p.onnx");
    await writeModel(product(), path);
    const graph = await readModel(path);
    truncateSync(path, 100);
    await expect(placeModel(graph, scratch())).rejects.toThrow(/shorter than when the model was read/);
    const gone = {
      ...graph,
      constants: new Map(
        [...graph.constants].map(([name, constant]) => [
          name,
          isExternal(constant) ? { ...constant, file: `${path}.none` } : constant,
        ]),
      ),
    };
    await expect(placeModel(gone, scratch())).rejects.toThrow(/the weights file is gone/);
    await expect(placeModel(product(), join(scratch(), "none"))).rejects.toThrow(/cannot be written/);
  });
});
