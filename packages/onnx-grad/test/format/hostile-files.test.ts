import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTensor } from "../../src/format/decode.ts";
import { readModel } from "../../src/format/model.ts";
import { encodeProto, type ModelProto } from "../../src/format/proto.ts";
import { encodeHeader, encodeVarint } from "../../src/format/wire.ts";
import { bytesOfTensor } from "../../src/graph/dtypes.ts";
import { OnnxGradError } from "../../src/graph/errors.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { type Constant, float32, int64, isExternal } from "../../src/graph/tensor.ts";
import { lastOf } from "../../src/index.ts";
import { scratch, wave } from "../support/engine.ts";
import { externalProduct, model, node, raw, value } from "../support/protos.ts";

/**
 * What reading the file ends in; anything but an OnnxGradError of one short printable line fails
 * the test.
 */
async function refusal(path: string): Promise<string> {
  const error: unknown = await readModel(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OnnxGradError);
  const { message } = error as OnnxGradError;
  expect(message).toMatch(/^[^\p{Cc}\u2028\u2029\u202a-\u202e]{1,1100}$/u);
  expect(message).toContain(basename(path));
  return message;
}

/** Writes bytes as a model file of their own and returns how reading it is refused. */
function refusalOf(bytes: Uint8Array, name = "model.onnx"): Promise<string> {
  const path = join(scratch(), name);
  writeFileSync(path, bytes);
  return refusal(path);
}

const proto = (content: ModelProto): Buffer => Buffer.from(encodeProto("model", content));
const field = (number: number, body: Uint8Array): Buffer => Buffer.concat([encodeHeader(number, body.length), body]);
const varint = (number: number, bytes: readonly number[]): Buffer =>
  Buffer.from([...encodeVarint(number * 8), ...bytes]);
/** The model of one relu, and something more in its graph, which is merged with the first one. */
const withGraph = (...more: readonly Uint8Array[]): Buffer =>
  Buffer.concat([proto(model()), field(7, Buffer.concat(more))]);

describe("files that are no models", () => {
  const tar = Buffer.alloc(1024);
  tar.write("model.onnx");
  it.each<[string, Buffer, RegExp]>([
    ["an empty file", Buffer.alloc(0), /empty; export or download/],
    ["one byte", Buffer.of(8), /cut off/],
    ["text", Buffer.from("# Face recogniser\n\nDownload the model from ...\n"), /not an ONNX model/],
    ["JSON", Buffer.from('{"model": "x"}'), /not an ONNX model/],
    ["a PyTorch checkpoint", Buffer.from("PK\u0003\u0004\0\0archive/data.pkl"), /a PyTorch checkpoint\?.*; export/],
    ["an old PyTorch checkpoint", Buffer.from("\u0080\u0002}q\0", "latin1"), /pickle/],
    ["gzip", Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), /compressed with gzip; unpack it/],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), /git lfs pull/],
    ["a web page", Buffer.from("<!DOCTYPE html><html><body>Sign in"), /a web page/],
    ["safetensors", Buffer.from('\u0002\0\0\0\0\0\0\0{"a":{}}'), /safetensors/],
    ["an archive", tar, /not an ONNX model/],
    ["zeros", Buffer.alloc(4096), /not an ONNX model/],
    ["ones", Buffer.alloc(4096, 0xff), /not an ONNX model/],
  ])("are refused: %s", async (_, bytes, message) => {
    expect(await refusalOf(bytes)).toMatch(message);
  });

  it("are refused: folders, missing files, loops of links and names with a zero", async () => {
    const folder = scratch();
    symlinkSync("loop.onnx", join(folder, "loop.onnx"));
    expect(await refusal(folder)).toMatch(/not a regular file/);
    expect(await refusal(join(folder, "none.onnx"))).toMatch(/no such file/);
    expect(await refusal(join(folder, "loop.onnx"))).toMatch(/cannot be opened \(ELOOP\)/);
    await expect(readModel(join(folder, "a\0b"))).rejects.toThrow(OnnxGradError);
    await expect(readModel(join(folder, "n".repeat(5000)))).rejects.toThrow(/ENAMETOOLONG/);
  });

  it.skipIf(process.platform === "win32")("are refused: devices, without reading them for ever", async () => {
    for (const device of ["/dev/zero", "/dev/null", "/dev/urandom"]) {
      expect(await refusal(device)).toMatch(/not a regular file/);
    }
  });
});

describe("files that break protobuf's rules", () => {
  const long = Buffer.alloc(11, 0x80);
  const group = Buffer.alloc(30_000, 0x0b);
  it.each<[string, Buffer, RegExp]>([
    ["a length beyond the file", Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f]), /does not fit/],
    ["a length beyond its message", withGraph(field(1, Buffer.from([0x0a, 50]))), /a field of 50 bytes does not fit/],
    ["a length of 2^64", Buffer.from([0x3a, ...Array(9).fill(0xff), 1]), /does not fit/],
    ["an overlong varint", Buffer.concat([proto(model()), Buffer.of(0x08), long]), /a number is too long/],
    ["an overlong tag", Buffer.concat([proto(model()), long]), /a number is too long/],
    ["field 0", Buffer.concat([proto(model()), Buffer.of(0x02, 0)]), /no number/],
    ["groups", Buffer.concat([proto(model()), group]), /wire type 3/],
    ["groups in a graph", withGraph(group), /wire type 3/],
    ["a cut-off float", withGraph(field(1, field(5, Buffer.of(0x15, 0, 0)))), /a field is cut off/],
  ])("are refused: %s", async (_, bytes, message) => {
    expect(await refusalOf(bytes)).toMatch(message);
  });

  it("are refused wherever they are cut", async () => {
    const whole = proto(
      model({
        input: [value("x", 1, 4), value("w", 4)],
        initializer: [raw("w", float32([1, 2, 3, 4])), { name: "i", dims: ["2"], dataType: 7, int64Data: ["1", "-1"] }],
        node: [
          node("Mul", ["x", "w"], ["a"]),
          node("Softmax", ["a"], ["y"], { attribute: [{ name: "axis", type: 2, i: "-1" }] }),
        ],
      }),
    );
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, whole);
    await readModel(path);
    for (let length = whole.length - 1; length > 0; length--) {
      truncateSync(path, length);
      await refusal(path);
    }
  });

  it("may hold what nobody reads, of any shape: it is left out", async () => {
    const path = join(scratch(), "model.onnx");
    const junk = Buffer.alloc(1000, 0xff);
    const strange = [field(13, junk), field(14, junk), field(16, junk), field(900, junk), varint(1000, [1])];
    writeFileSync(path, Buffer.concat([withGraph(...strange), field(20, junk), field(26, junk), field(6, junk)]));
    expect((await readModel(path)).nodes.map(({ op }) => op)).toEqual(["Relu"]);
  });
});

describe("files of huge numbers of things", () => {
  const many = (count: number, ...bytes: readonly number[]): Buffer =>
    Buffer.alloc(count * bytes.length, Buffer.from(bytes));
  const millions = 3_000_000;
  /** A node (of a graph, 7.1) with an attribute (5) that holds `body`. */
  const inAttribute = (body: Uint8Array): Buffer => withGraph(field(1, field(5, body)));
  it.each<[string, () => Buffer, RegExp]>([
    ["nodes", () => withGraph(many(millions, 0x0a, 0)), /too many fields/],
    ["inputs of a node", () => withGraph(field(1, many(millions, 0x0a, 0))), /too many fields/],
    ["attributes", () => withGraph(field(1, many(millions, 0x2a, 0))), /too many fields/],
    ["numbers of an attribute", () => inAttribute(many(millions, 0x40, 1)), /too many fields/],
    ["packed numbers of an attribute", () => inAttribute(field(8, many(millions, 1))), /whole numbers one by one/],
    ["initializers", () => withGraph(many(millions, 0x2a, 0)), /too many fields/],
    [
      "packed integers",
      () => withGraph(field(5, Buffer.concat([varint(2, [7]), field(7, many(millions, 1))]))),
      /one by one/,
    ],
    ["packed dimensions", () => withGraph(field(5, field(1, many(millions, 1)))), /one by one/],
    ["dimensions", () => withGraph(field(5, many(millions, 0x08, 1))), /too many fields/],
    ["places of external data", () => withGraph(field(5, many(millions, 0x6a, 0))), /too many fields/],
    [
      "dimensions of an input",
      () => withGraph(field(11, field(2, field(1, field(2, many(millions, 0x0a, 0)))))),
      /too many fields/,
    ],
    ["operator sets", () => Buffer.concat([proto(model()), many(millions, 0x42, 0)]), /too many fields/],
    ["metadata", () => Buffer.concat([proto(model()), many(millions, 0x72, 0)]), /too many fields/],
    [
      "outputs",
      () => proto(model({ output: Array.from({ length: 100_000 }, () => value("y")) })),
      /puts out "y" twice/,
    ],
    [
      "axes",
      () =>
        proto(
          model({
            node: [
              node("Transpose", ["x"], ["y"], {
                attribute: [{ name: "perm", type: 7, ints: Array(100_000).fill("1") }],
              }),
            ],
          }),
        ),
      /100000 axes/,
    ],
    [
      "a rank of 1000",
      () => proto(model({ input: [value("x", ...Array<number>(1000).fill(1))] })),
      /has 1000 dimensions/,
    ],
    [
      "versions",
      () => proto(model({}, { opsetImport: ["13", "14"].map((version) => ({ version })) })),
      /names 2 versions/,
    ],
  ])("are refused in bounded memory: %s", async (_, make, message) => {
    const bytes = make();
    const before = process.memoryUsage().rss;
    expect(await refusalOf(bytes)).toMatch(message);
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * 2 ** 20);
  });

  it("read no part of subgraphs, functions and types that they refuse anyway", async () => {
    const body = many(10_000_000, 0x0a, 0);
    const attribute = Buffer.concat([field(1, Buffer.from("body")), varint(20, [5]), field(6, body)]);
    const before = process.memoryUsage().rss;
    expect(await refusalOf(withGraph(field(1, field(5, attribute))))).toMatch(/"body" of .* is a subgraph/);
    expect(await refusalOf(Buffer.concat([proto(model()), field(25, body)]))).toMatch(/functions of its own/);
    expect(await refusalOf(withGraph(field(15, body)))).toMatch(/sparse weights/);
    expect(
      await refusalOf(withGraph(field(11, Buffer.concat([field(1, Buffer.from("z")), field(2, field(4, body))])))),
    ).toMatch(/input "z" is not a tensor/);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
  });
});

describe("deep nesting", () => {
  /** Messages in messages, the innermost first. */
  const nest = (depth: number, ...fields: readonly number[]): Buffer => {
    // Headers from the outside in, then nothing.
    const headers: Uint8Array[] = [];
    let length = 0;
    for (let level = 0; level < depth; level++) {
      const header = encodeHeader(itemAt(fields, level % fields.length), length);
      headers.push(header);
      length += header.length;
    }
    return Buffer.concat(headers.toReversed());
  };
  it.each<[string, () => Buffer, RegExp]>([
    ["If in If", () => withGraph(nest(10_001, 6, 5, 1).subarray(0)), /./],
    [
      "sequences of sequences",
      () => withGraph(field(11, Buffer.concat([field(1, Buffer.from("s")), field(2, nest(10_000, 1, 4))]))),
      /input "s" is not a tensor/,
    ],
    [
      "optional types",
      () => withGraph(field(11, Buffer.concat([field(1, Buffer.from("s")), field(2, nest(10_000, 1, 9))]))),
      /input "s" is not a tensor/,
    ],
    [
      "maps",
      () => withGraph(field(11, Buffer.concat([field(1, Buffer.from("s")), field(2, nest(10_000, 2, 5))]))),
      /input "s" is not a tensor/,
    ],
    ["functions", () => Buffer.concat([proto(model()), nest(30_000, 6, 5, 7), nest(3, 25, 25, 25)]), /./],
  ])("is refused: %s", async (_, make, message) => {
    expect(await refusalOf(make())).toMatch(message);
  });
});

describe("external data", () => {
  /** A folder with the model, and a secret beside the folder. */
  const arrange = (content: ModelProto): string => {
    const outside = scratch();
    const folder = join(outside, "inside");
    mkdirSync(folder);
    writeFileSync(join(outside, "secret.bin"), Buffer.alloc(8000, 1));
    symlinkSync(join(outside, "secret.bin"), join(folder, "absolute.bin"));
    symlinkSync("../secret.bin", join(folder, "relative.bin"));
    symlinkSync("..", join(folder, "up"));
    symlinkSync("gone.bin", join(folder, "dangling.bin"));
    symlinkSync("loop.bin", join(folder, "loop.bin"));
    mkdirSync(join(folder, "folder.bin"));
    writeFileSync(join(folder, "w.bin"), Buffer.alloc(8000));
    writeFileSync(join(folder, "model.onnx"), encodeProto("model", content));
    return join(folder, "model.onnx");
  };

  it.each<[string, Record<string, string>, RegExp]>([
    ["a parent folder", { location: "../secret.bin" }, /outside the model's folder/],
    ["a folder's parent", { location: "folder.bin/../../secret.bin" }, /outside the model's folder/],
    ["an absolute path", { location: "/etc/passwd" }, /outside the model's folder/],
    ["a UNC path", { location: "\\\\host\\share\\w.bin" }, /outside the model's folder/],
    ["a URL", { location: "file:///etc/passwd" }, /no file next to the model/],
    ["a link out, absolute", { location: "absolute.bin" }, /a link to a file outside the model's folder/],
    ["a link out, relative", { location: "relative.bin" }, /a link to a file outside the model's folder/],
    ["a linked folder", { location: "up/secret.bin" }, /a link to a file outside the model's folder/],
    ["a link to nothing", { location: "dangling.bin" }, /no file next to the model/],
    ["a link to itself", { location: "loop.bin" }, /no file that can be read \(ELOOP\)/],
    ["a folder", { location: "folder.bin" }, /no file next to the model/],
    ["its own folder", { location: "." }, /no file next to the model/],
    ["a file used as a folder", { location: "w.bin/x" }, /no file/],
    ["a name too long", { location: "n".repeat(1_000_000) }, /no file/],
    ["a name of control characters", { location: "\u001b[2J\nfake: line" }, /no file next to the model/],
    ["more than the file", { location: "w.bin", offset: "8" }, /takes 8000 bytes from 8 of a file of 8000 bytes/],
    ["far beyond the file", { location: "w.bin", offset: "9007199254740991" }, /takes 8000 bytes from/],
    ["a negative place", { location: "w.bin", offset: "-4096" }, /starts at offset -4096/],
    ["a negative length", { location: "w.bin", length: "-1" }, /has -1 bytes in its file/],
    ["a place in hexadecimal", { location: "w.bin", offset: "0x10" }, /starts at offset 0x10/],
    ["half a byte", { location: "w.bin", offset: "0.5" }, /starts at offset 0.5/],
    ["a place beyond all numbers", { location: "w.bin", offset: "9".repeat(400) }, /starts at offset 999/],
    ["the model itself, beyond its end", { location: "\0", offset: "0" }, /takes 8000 bytes from 0 of a file of/],
  ])("is refused in %s", async (_, entries, message) => {
    expect(await refusal(arrange(externalProduct(entries)))).toMatch(message);
  });

  it.skipIf(process.platform === "win32")("is refused in pipes and devices", async () => {
    const path = arrange(externalProduct({ location: "pipe.bin" }));
    execFileSync("mkfifo", [join(dirname(path), "pipe.bin")]);
    expect(await refusal(path)).toMatch(/no file next to the model/);
    const zero = arrange(externalProduct({ location: "zero.bin" }));
    symlinkSync("/dev/zero", join(dirname(zero), "zero.bin"));
    expect(await refusal(zero)).toMatch(/no file next to the model/);
  });

  it("is read where model and data are links into one folder, as model caches keep them", async () => {
    const cache = scratch();
    const [blobs, snapshot] = [join(cache, "blobs"), join(cache, "snapshot")];
    for (const folder of [blobs, snapshot]) mkdirSync(folder);
    const weights = wave([40, 50]);
    writeFileSync(join(blobs, "0a1b"), encodeProto("model", externalProduct({ location: "model.onnx_data" })));
    writeFileSync(join(blobs, "2c3d"), bytesOfTensor(weights));
    symlinkSync("../blobs/0a1b", join(snapshot, "model.onnx"));
    symlinkSync("../blobs/2c3d", join(snapshot, "model.onnx_data"));
    const graph = await readModel(join(snapshot, "model.onnx"));
    expect(readTensor(graph.constants.get("w") as Constant)).toEqual(weights);
  });

  it("comes into memory only up to a bound, however often it is named", async () => {
    const folder = scratch();
    const side = 1 << 17;
    writeFileSync(join(folder, "i.bin"), Buffer.alloc(8 * side));
    const shape = { dims: [String(side)], dataType: 7, dataLocation: 1 };
    const externalData = [{ key: "location", value: "i.bin" }];
    const names = Array.from({ length: 300 }, (_, index) => `i${index}`);
    const content = model({
      input: [{ name: "x", type: { tensorType: { elemType: 7, shape: { dim: [{ dimValue: "1" }] } } } }],
      initializer: names.map((name) => ({ name, ...shape, externalData })),
      node: [node("Sum", ["x", ...names], ["y"])],
    });
    const path = join(folder, "model.onnx");
    writeFileSync(path, encodeProto("model", content));
    const graph = await readModel(path);
    const inMemory = [...graph.constants.values()].filter((constant) => !isExternal(constant));
    expect(graph.constants.size).toBe(300);
    expect(inMemory).toHaveLength(64);
    const attribute = { name: "value", type: 4, t: { ...shape, dims: ["1048576"], dataType: 1, externalData } };
    const huge = model({
      initializer: [raw("s", int64([4]))],
      node: [node("ConstantOfShape", ["s"], ["y"], { attribute: [attribute] })],
    });
    truncateSync(join(folder, "i.bin"), 4 << 20);
    writeFileSync(path, encodeProto("model", huge));
    expect(await refusal(path)).toMatch(/holds 4194304 bytes; make it an initialiser/);
    expect(readdirSync(folder).sort()).toEqual(["i.bin", "model.onnx"]);
  });
});

describe("names", () => {
  it("may be of any script, hold path separators and be a megabyte long", async () => {
    const folder = join(scratch(), "m\u00fcnchen \u6771\u4eac");
    mkdirSync(folder);
    const path = join(folder, "\u043c\u043e\u0434\u0435\u043b\u044c.onnx");
    const names = ["\u5165\u529b", "../../a/b\\c", "__proto__", "constructor", " ", "n".repeat(1 << 20)];
    const steps = names.map((name, index) => node("Relu", [names[index - 1] ?? "x"], [name], { name }));
    writeFileSync(path, encodeProto("model", model({ node: [...steps, node("Relu", [lastOf(names)], ["y"])] })));
    const graph = await readModel(path);
    expect(graph.nodes.flatMap(({ outputs }) => outputs)).toEqual([...names, "y"]);
  });

  it("are told apart or refused where they are no UTF-8", async () => {
    const invalid = (last: number): Buffer => Buffer.from([0x76, 0xff, last]);
    const relu = (input: Uint8Array, output: Uint8Array): Buffer =>
      field(1, Buffer.concat([field(1, input), field(2, output), field(4, Buffer.from("Relu"))]));
    const bytes = withGraph(relu(Buffer.from("x"), invalid(0xfe)), relu(Buffer.from("x"), invalid(0xfd)));
    expect(await refusalOf(bytes)).toMatch(/is defined twice/);
  });

  it("cannot paint over a terminal, nor fill it", async () => {
    const name = `\u001b[2J\u001b]0;x\u0007\n\u202eevil\u2028${"n".repeat(1 << 20)}`;
    const message = await refusalOf(proto(model({ node: [node("Magic", ["x"], ["y"], { name })] })));
    expect(message).toMatch(/Magic node/);
    expect(message).toMatch(/no shape rule for this operator$/);
  });
});
