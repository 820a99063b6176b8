import { readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTensor } from "../../src/format/decode.ts";
import { encodeModel, readModel, writeModel } from "../../src/format/model.ts";
import { encodeProto } from "../../src/format/proto.ts";
import { encodeHeader } from "../../src/format/wire.ts";
import { OnnxGradError } from "../../src/graph/errors.ts";
import { type Constant, int64 } from "../../src/graph/tensor.ts";
import { scratch, wave } from "../support/engine.ts";
import { model, node, raw, value } from "../support/protos.ts";

describe.skipIf(process.platform === "win32")("files of gigabytes", () => {
  /** Writes bytes and a gap of zeros after them that takes no room on the disk. */
  const sparse = (bytes: Uint8Array, gap: number): string => {
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, bytes);
    truncateSync(path, bytes.length + gap);
    return path;
  };

  it("are read without their weights", async () => {
    const bytes = 3 * 2 ** 30;
    const header = encodeProto("tensor", { name: "w", dims: ["1", String(bytes / 4)], dataType: 1 });
    const data = encodeHeader(9, bytes);
    const tensor = encodeHeader(5, header.length + data.length + bytes);
    // Two runs of the graph field merge into one graph.
    const graph = encodeHeader(7, tensor.length + header.length + data.length + bytes);
    const start = encodeProto("model", model({ node: [node("MatMul", ["x", "w"], ["y"])], input: [value("x", 1, 1)] }));
    const path = sparse(Buffer.concat([start, graph, tensor, header, data]), bytes);
    const before = process.memoryUsage().rss;
    const read = await readModel(path);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    expect(read.constants.get("w")).toMatchObject({
      length: bytes,
      offset: start.length + graph.length + tensor.length + header.length + data.length,
    });
    await expect(writeModel(read, join(scratch(), "copy.onnx"))).rejects.toThrow(/one ONNX file holds 2 GiB/);
  });

  it("are refused if it is not weights that fill them", async () => {
    const bytes = 2 ** 30;
    const value = encodeHeader(2, bytes);
    const entry = Buffer.concat([encodeHeader(14, value.length + bytes), value]);
    const path = sparse(Buffer.concat([encodeProto("model", model()), entry]), bytes);
    await expect(readModel(path)).rejects.toThrow(/more than 67108864 bytes besides its weights/);
    const fields = sparse(
      Buffer.concat([encodeProto("model", model()), Buffer.alloc(5_000_000, Buffer.from([0x28, 0x01]))]),
      0,
    );
    await expect(readModel(fields)).rejects.toThrow(/too many fields/);
  });
});

/** A small model with every kind of part: weights in the file, shape arithmetic, attributes. */
const small = (): Uint8Array =>
  encodeProto(
    "model",
    model({
      input: [value("x", "N", 4)],
      output: [value("y", "N", 300)],
      node: [
        node("MatMul", ["x", "w"], ["a"]),
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], { attribute: [{ name: "axis", type: 2, i: "0" }] }),
        node("Concat", ["n", "minus"], ["t"], { attribute: [{ name: "axis", type: 2, i: "0" }] }),
        node("Reshape", ["a", "t"], ["y"]),
      ],
      initializer: [raw("w", wave([4, 300])), raw("zero", int64([0])), raw("minus", int64([-1]))],
    }),
  );

describe("damaged files", () => {
  it("end in an error that names the file, wherever they are cut", async () => {
    const path = join(scratch(), "model.onnx");
    const whole = small();
    writeFileSync(path, whole);
    expect((await readModel(path)).types.get("y")?.shape).toEqual([{ symbol: "N", times: 1 }, 300]);
    for (let length = whole.length - 1; length > 0; length -= 37) {
      truncateSync(path, length);
      const error: unknown = await readModel(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(OnnxGradError);
      expect((error as Error).message).toContain("model.onnx");
    }
  });

  it("give a graph or a typed error, whatever bytes are changed", async () => {
    const path = join(scratch(), "model.onnx");
    const whole = small();
    // Most bytes are weights, whose change harms nothing: aim at the others.
    const places = Array.from(whole.keys()).filter((at) => at < 200 || at > whole.length - 260);
    const change = fc.tuple(fc.constantFrom(...places), fc.integer({ min: 0, max: 255 }));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = whole.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        writeFileSync(path, bytes);
        try {
          const graph = await readModel(path);
          encodeModel(graph);
        } catch (error) {
          if (!(error instanceof OnnxGradError)) throw error;
          refused++;
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(50);
  });

  it("takes weights from a stream, or leaves them in a file beside the model", async () => {
    const folder = scratch();
    const path = join(folder, "model.onnx");
    writeFileSync(path, small());
    const graph = await readModel(path);
    const before = readTensor(graph.constants.get("w") as Constant);
    const bytes = Buffer.from(new Float32Array(before.data.length).fill(2).buffer);
    async function* half(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, bytes.length / 2);
    }
    async function* whole(): AsyncGenerator<Uint8Array> {
      yield* half();
      yield bytes.subarray(bytes.length / 2);
    }
    const streamed = join(folder, "streamed.onnx");
    await writeModel(graph, streamed, { contents: new Map([["w", whole]]) });
    const weights = (await readModel(streamed)).constants.get("w") as Constant;
    expect(new Set(readTensor(weights).data as Float32Array)).toEqual(new Set([2]));
    const short = writeModel(graph, join(folder, "short.onnx"), { contents: new Map([["w", half]]) });
    await expect(short).rejects.toThrow(/constant "w" has \d+ bytes/);

    const thin = join(folder, "thin.onnx");
    await writeModel(graph, thin, { keepExternal: true });
    expect(statSync(thin).size).toBeLessThan(statSync(path).size - bytes.length / 2);
    expect(readTensor((await readModel(thin)).constants.get("w") as Constant)).toEqual(before);
    expect(readdirSync(folder).sort()).toEqual(["model.onnx", "streamed.onnx", "thin.onnx"]);
  });

  it("are noticed when weights are cut off after reading", async () => {
    const path = join(scratch(), "model.onnx");
    writeFileSync(path, small());
    const graph = await readModel(path);
    truncateSync(path, 100);
    expect(() => readTensor(graph.constants.get("w") as Constant)).toThrow(/lie beyond its 100 bytes/);
    const target = join(scratch(), "copy.onnx");
    await expect(writeModel(graph, target)).rejects.toThrow(/was it replaced/);
    expect(readdirSync(join(target, ".."))).toEqual([]);
  });
});
