import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/build/builder.ts";
import { readTensor } from "../../src/format/decode.ts";
import { encodeModel, encodeWithPlaces, readModel, writeModel } from "../../src/format/model.ts";
import { decodeProto, encodeProto, type ModelProto } from "../../src/format/proto.ts";
import { encodeHeader } from "../../src/format/wire.ts";
import { bytesOfTensor } from "../../src/graph/dtypes.ts";
import { OnnxGradError } from "../../src/graph/errors.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { type Constant, float32, int64, isExternal } from "../../src/graph/tensor.ts";
import { runModel, scratch, shared, wave } from "../support/engine.ts";
import { externalProduct, model, node, raw, value } from "../support/protos.ts";

/** Writes a model into a new folder and reads it. */
const read = (proto: ModelProto, folder = scratch()) => {
  const path = join(folder, "model.onnx");
  writeFileSync(path, encodeProto("model", proto));
  return readModel(path);
};

describe.each(["mobilefacenet", "fr_feature"])("%s (needs shared/weights)", (name) => {
  const path = join(shared, "weights", `${name}.onnx`);
  const there = existsSync(path);

  it.skipIf(!there)("keeps its weights in its file, where they are", async () => {
    const graph = await readModel(path);
    const whole = decodeProto(readFileSync(path), path).graph;
    let checked = 0;
    for (const tensor of whole?.initializer ?? []) {
      const constant = graph.constants.get(tensor.name ?? "");
      if (constant === undefined || !tensor.rawData?.length) continue;
      expect(isExternal(constant)).toBe(tensor.rawData.length > 1024 && tensor.dataType === 1);
      expect(Buffer.compare(bytesOfTensor(readTensor(constant)), tensor.rawData)).toBe(0);
      checked++;
    }
    expect(checked).toBeGreaterThan(50);
  });

  it.skipIf(!there)("has the shapes that onnxruntime computes", async () => {
    const graph = await readModel(path);
    const all = { ...graph, outputs: graph.nodes.flatMap((item) => item.outputs) };
    const [input = ""] = graph.inputs;
    const results = await runModel(encodeModel(all), { [input]: wave([1, 3, 112, 112]) }, true);
    expect(all.outputs.length).toBeGreaterThan(90);
    for (const output of all.outputs) expect(graph.types.get(output)?.shape).toEqual(results[output]?.dims);
  });

  it.skipIf(!there)("computes the same numbers after it was written", async () => {
    const graph = await readModel(path);
    const copy = join(scratch(), "copy.onnx");
    await writeModel(graph, copy);
    const feeds = { [itemAt(graph.inputs, 0)]: wave([1, 3, 112, 112]) };
    const original = await runModel(path, feeds);
    expect(await runModel(copy, feeds)).toEqual(original);
    expect(await runModel(encodeModel(graph), feeds)).toEqual(original);
    expect((await readModel(copy)).nodes).toEqual(graph.nodes);
  });
});

describe("readModel", () => {
  it("says where the data of each constant are", () => {
    const b = new GraphBuilder({ name: "places", opset: 20 });
    const x = b.input("x", { dtype: "float32", shape: [3] });
    const [first, second] = [float32([1, 2, 3]), float32([4, 5, 6])];
    const sum = b.add("Add", [b.add("Mul", [x, b.constant(first, "factor")]), b.constant(second, "shift")]);
    const { bytes, places } = encodeWithPlaces(b.build([sum]));
    expect([...places.keys()].sort()).toEqual(["factor", "shift"]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const [name, { data }] of [
      ["factor", first],
      ["shift", second],
    ] as const)
      expect([0, 4, 8].map((at) => view.getFloat32((places.get(name) ?? 0) + at, true))).toEqual([...data]);
    expect(bytes).toEqual(encodeModel(b.build([sum])));
  });

  it("brings back what encodeModel wrote", async () => {
    const weights = wave([40, 50]);
    const whole = await read(
      model(
        {
          name: "n\u00e4me",
          input: [value("x", "batch", 40)],
          output: [value("y", "batch", 50)],
          node: [
            node("Gemm", ["x", "w", "b"], ["z"], { attribute: [{ name: "alpha", type: 1, f: 0.5 }] }),
            node("Slice", ["z", "zero", "end", "zero"], ["y"]),
          ],
          initializer: [
            raw("w", weights),
            raw("b", float32(new Float32Array(50))),
            raw("zero", int64([0])),
            { name: "end", dims: ["1"], dataType: 7, int64Data: ["9223372036854775807"] },
          ],
        },
        { metadataProps: [{ key: "who", value: "\u00fcs" }] },
      ),
    );
    expect(whole.name).toBe("n\u00e4me");
    expect(whole.metadata.get("who")).toBe("\u00fcs");
    expect(whole.types.get("y")?.shape).toEqual([{ symbol: "batch", times: 1 }, 50]);
    expect(isExternal(whole.constants.get("w") as Constant)).toBe(true);
    expect(readTensor(whole.constants.get("w") as Constant)).toEqual(weights);
    const again = join(scratch(), "again.onnx");
    await writeModel(whole, again);
    const back = await readModel(again);
    expect({ ...back, constants: [] }).toEqual({ ...whole, constants: [] });
    for (const [name, constant] of whole.constants) {
      expect(readTensor(back.constants.get(name) as Constant)).toEqual(readTensor(constant));
    }
  });

  it("reads numbers from the typed fields, packed floats without loading them", async () => {
    const numbers = wave([600]);
    const graph = await read(
      model({
        input: [value("x", 1, 600)],
        output: [value("y", 1, 600)],
        node: [node("Mul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])],
        initializer: [
          { name: "w", dims: ["600"], dataType: 1, floatData: [...(numbers.data as Float32Array)] },
          { name: "b", dims: ["1"], dataType: 1, floatData: [2] },
        ],
      }),
    );
    expect(isExternal(graph.constants.get("w") as Constant)).toBe(true);
    expect(readTensor(graph.constants.get("w") as Constant)).toEqual(numbers);
    expect(graph.constants.get("b")).toEqual(float32([2]));
  });

  it("keeps big values of Constant nodes in the file too", async () => {
    const weights = wave([40, 50]);
    const graph = await read(
      model({
        input: [value("x", 1, 40)],
        output: [value("y", 1, 50)],
        node: [
          node("Constant", [], ["w"], { attribute: [{ name: "value", type: 4, t: raw("", weights) }] }),
          node("MatMul", ["x", "w"], ["y"]),
        ],
      }),
    );
    expect(graph.nodes.map((item) => item.op)).toEqual(["MatMul"]);
    expect(isExternal(graph.constants.get("w") as Constant)).toBe(true);
    expect(readTensor(graph.constants.get("w") as Constant)).toEqual(weights);
  });

  it("takes initialisers that are listed as inputs for constants, and sorts nodes", async () => {
    const graph = await read(
      model({
        input: [value("x", 1, 4), value("w", 4)],
        initializer: [raw("w", float32([1, 2, 3, 4]))],
        node: [node("Relu", ["a"], ["y"]), node("Mul", ["x", "w"], ["a"])],
      }),
    );
    expect(graph.inputs).toEqual(["x"]);
    expect(graph.nodes.map((item) => item.op)).toEqual(["Mul", "Relu"]);
  });

  it("finds external data beside the model, also in subfolders and behind links", async () => {
    const folder = scratch();
    const weights = wave([40, 50]);
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep", "real.bin"), Buffer.concat([Buffer.alloc(3), bytesOfTensor(weights)]));
    symlinkSync(join(folder, "deep", "real.bin"), join(folder, "w.bin"));
    for (const location of ["deep/real.bin", "w.bin", "./deep/real.bin"]) {
      const graph = await read(externalProduct({ location, offset: "3", length: "8000" }), folder);
      expect(readTensor(graph.constants.get("w") as Constant)).toEqual(weights);
    }
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["a parent folder", { location: "../w.bin" }, /outside the model's folder/],
    ["a hidden parent folder", { location: "a/../../w.bin" }, /outside the model's folder/],
    ["a parent folder in Windows' way", { location: "a\\..\\..\\w.bin" }, /outside the model's folder/],
    ["an absolute path", { location: "/etc/passwd" }, /outside the model's folder/],
    ["a drive", { location: "C:\\w.bin" }, /outside the model's folder/],
    ["a zero byte", { location: "w.bin\0" }, /outside the model's folder/],
    ["no place", {}, /does not say which/],
    ["no file", { location: "nowhere.bin" }, /no file next to the model/],
    ["a folder", { location: "." }, /no file next to the model/],
    ["too much of a file", { location: "w.bin", offset: "1" }, /takes 8000 bytes from 1 of a file of 8000/],
    ["a place before a file", { location: "w.bin", offset: "-8" }, /starts at offset -8/],
    ["an offset that is no number", { location: "w.bin", offset: "1e400" }, /starts at offset/],
    ["another length", { location: "w.bin", length: "4" }, /has 4 bytes in its file but its shape needs 8000/],
  ])("refuses external data in %s", async (_, entries, message) => {
    const folder = scratch();
    writeFileSync(join(folder, "w.bin"), Buffer.alloc(8000));
    await expect(read(externalProduct(entries), folder)).rejects.toThrow(message);
  });

  it.each<[string, ModelProto, RegExp]>([
    ["no graph", { opsetImport: [{ version: "13" }] }, /holds no graph/],
    ["no operator set", model({}, { opsetImport: [] }), /does not say which operator set/],
    ["an old operator set", model({}, { opsetImport: [{ version: "6" }] }), /operator set 6; onnx-grad reads 7 to 25/],
    ["a new operator set", model({}, { opsetImport: [{ version: "26" }] }), /operator set 26/],
    [
      "a cycle",
      model({ node: [node("Add", ["x", "b"], ["y"]), node("Relu", ["y"], ["b"])] }),
      /Add node "the Add" is on a cycle/,
    ],
    [
      "an undefined value",
      model({ node: [node("Add", ["x", "q"], ["y"])] }),
      /Add node "the Add" uses "q", which nothing defines/,
    ],
    ["an undefined output", model({ node: [] }), /output "y" is not defined/],
    [
      "two nodes with one output",
      model({ node: [node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])] }),
      /"y" is defined twice/,
    ],
    ["a node that redefines an input", model({ node: [node("Relu", ["x"], ["x"])] }), /"x" is defined twice/],
    ["two inputs of one name", model({ input: [value("x", 1), value("x", 1)] }), /"x" is defined twice/],
    [
      "two weights of one name",
      model({ initializer: [raw("w", float32(1)), raw("w", float32(1))] }),
      /"w" is defined twice/,
    ],
    [
      "a Constant that redefines an input",
      model({ node: [node("Constant", [], ["x"], { attribute: [{ name: "value_int", type: 2, i: "1" }] })] }),
      /"x" is defined twice/,
    ],
    [
      "a subgraph",
      model({ node: [node("If", ["x"], ["y"], { attribute: [{ name: "then_branch", type: 5, g: { name: "s" } }] })] }),
      /"then_branch" of If node "the If" is a subgraph/,
    ],
    [
      "an unknown operator",
      model({ node: [node("Magic", ["x"], ["y"], { domain: "mine" })] }),
      /Magic node "the Magic": .*no shape rule for this operator of domain "mine"/,
    ],
    ["functions", model({}, { functions: [{ name: "f" }] }), /functions of its own/],
    [
      "an open height",
      model({ input: [value("x", 1, 3, "height", 4)] }),
      /dimension 2 \("height"\) of input "x" is open; .*export it with fixed sizes/,
    ],
    ["a negative dimension", model({ input: [value("x", 1, -4)] }), /-4 as dimension 1/],
    [
      "strings",
      model({ initializer: [{ name: "s", dims: ["1"], dataType: 8 }] }),
      /initializer "s" has element type 8/,
    ],
    [
      "too few numbers",
      model({ initializer: [{ name: "s", dims: ["3"], dataType: 1, floatData: [1] }] }),
      /holds 1 numbers but its shape needs 3/,
    ],
    [
      "too few bytes",
      model({ initializer: [{ name: "s", dims: ["3"], dataType: 1, rawData: new Uint8Array(8) }] }),
      /holds 8 bytes but its shape needs 12/,
    ],
    [
      "a huge tensor without numbers",
      model({ initializer: [{ name: "s", dims: ["4294967296", "4294967296"], dataType: 1 }] }),
      /impossible dimensions/,
    ],
    [
      "a tensor with a negative side",
      model({ initializer: [{ name: "s", dims: ["-1"], dataType: 1 }] }),
      /impossible dimensions/,
    ],
    [
      "an attribute given twice",
      model({
        node: [
          node("Softmax", ["x"], ["y"], {
            attribute: [
              { name: "axis", type: 2, i: "1" },
              { name: "axis", type: 2, i: "0" },
            ],
          }),
        ],
      }),
      /attribute "axis" twice/,
    ],
    [
      "an attribute of the wrong kind",
      model({ node: [node("Softmax", ["x"], ["y"], { attribute: [{ name: "axis", type: 1, f: 1 }] })] }),
      /attribute "axis" must be an integer/,
    ],
  ])("refuses a model with %s", async (_, proto, message) => {
    const error: unknown = await read(proto).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OnnxGradError);
    expect((error as Error).message).toMatch(message);
  });

  it("takes shapes that fix open dimensions", async () => {
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, encodeProto("model", model({ input: [value("x", "N", 3, "?", "")] })));
    const graph = await readModel(path, { shapes: { x: [{ symbol: "N", times: 1 }, 3, 8, 8] } });
    expect(graph.types.get("y")?.shape).toEqual([{ symbol: "N", times: 1 }, 3, 8, 8]);
  });

  it("refuses what is no regular file", async () => {
    const folder = scratch();
    await expect(readModel(join(folder, "none.onnx"))).rejects.toThrow(/none.onnx: no such file/);
    await expect(readModel(folder)).rejects.toThrow(/not a regular file/);
  });

  it.skipIf(process.platform === "win32")("does not wait for a pipe that nobody writes to", async () => {
    const pipe = join(scratch(), "pipe");
    execFileSync("mkfifo", [pipe]);
    await expect(readModel(pipe)).rejects.toThrow(/not a regular file/);
  });

  it.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(1000)],
    ["text", Buffer.from("this is no model, but a line of text\n")],
    ["a length beyond the file", Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ["a number without end", Buffer.alloc(100, 0xff)],
    ["a length beyond 2^53", Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
  ])("refuses a file of %s", async (_, bytes) => {
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, bytes);
    await expect(readModel(path)).rejects.toThrow(OnnxGradError);
  });

  it("refuses graphs nested deeper than any stack", async () => {
    let inner = Buffer.alloc(0);
    for (let depth = 0; depth < 20_000; depth++) {
      // Alternately a graph (1: node), a node (5: attribute) and an attribute (6: graph).
      inner = Buffer.concat([encodeHeader(itemAt([1, 5, 6], 2 - (depth % 3)), inner.length), inner]);
    }
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, Buffer.concat([encodeProto("model", model()), encodeHeader(7, inner.length), inner]));
    await expect(readModel(path)).rejects.toThrow(OnnxGradError);
  });
});
