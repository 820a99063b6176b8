import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { fieldRules, type MessageKind } from "../../src/format/fields.ts";
import { readMessage, writeMessage } from "../../src/format/message.ts";
import { encodeHeader, encodeVarint } from "../../src/format/wire.ts";

/** protobufjs's own reading of the schema that the rules are written from. */
const schema = protobuf
  .parse(readFileSync(new URL("../../schema/onnx.proto", import.meta.url), "utf8"))
  .root.resolveAll();

const names: Readonly<Record<Exclude<MessageKind, "other">, string>> = {
  model: "ModelProto",
  opset: "OperatorSetIdProto",
  entry: "StringStringEntryProto",
  graph: "GraphProto",
  node: "NodeProto",
  attribute: "AttributeProto",
  tensor: "TensorProto",
  value: "ValueInfoProto",
  type: "TypeProto",
  tensorType: "TypeProto.Tensor",
  shape: "TensorShapeProto",
  dim: "TensorShapeProto.Dimension",
};
const typeOf = (kind: Exclude<MessageKind, "other">): protobuf.Type => schema.lookupType(`onnx.${names[kind]}`);

describe.each(Object.entries(names))("the fields of %s", (kind, name) => {
  it("are those of the schema", () => {
    const type = schema.lookupType(`onnx.${name}`);
    const rules = fieldRules[kind as MessageKind];
    expect(rules.map(({ id }) => id)).toEqual(rules.map(({ id }) => id).sort((a, b) => a - b));
    for (const rule of rules) {
      const field = type.fieldsById[rule.id]?.resolve();
      const of = field?.resolvedType;
      const message = of instanceof protobuf.Enum ? "int32" : of?.fullName.replace(/^\.onnx\./, "");
      const wanted = rule.kind in names ? names[rule.kind as Exclude<MessageKind, "other">] : rule.kind;
      expect([rule.name, wanted]).toEqual([field?.name, rule.kind === "other" ? "other" : (message ?? field?.type)]);
      expect(rule.list).toBe(field?.repeated ? (field.packed ? "packed" : "single") : undefined);
    }
  });
});

/** A message of every kind, with ends of ranges and empty values. */
const model = {
  irVersion: "-9223372036854775808",
  opsetImport: [{ domain: "", version: "9007199254740993" }, {}],
  metadataProps: [{ key: "k", value: "v" }, { key: "\u6771" }],
  graph: {
    name: "g",
    node: [
      {
        input: ["x", ""],
        output: ["y"],
        opType: "If",
        attribute: [
          { name: "a", type: 1, f: -0.5, floats: [1.5, Number.NaN, 0] },
          { name: "b", type: 7, i: "-1", ints: ["1", "-2", "9223372036854775807"] },
          { name: "c", type: 3, s: Buffer.from([0, 255]), strings: [Buffer.from("p"), Buffer.alloc(0)] },
          { name: "d", type: 5, g: { name: "inner", node: [{ opType: "Relu" }] }, graphs: [{ name: "z" }] },
        ],
      },
    ],
    initializer: [
      { dims: ["2", "0"], dataType: 1, floatData: [1, 2], int32Data: [-1, 300], int64Data: ["-5"], doubleData: [0.1] },
      { name: "w", rawData: Buffer.from([1, 2, 3]), externalData: [{ key: "location", value: "w" }], dataLocation: 1 },
    ],
    input: [
      { name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: "3" }, { dimParam: "N" }, {}] } } } },
    ],
  },
};

const byProtobufjs = (kind: Exclude<MessageKind, "other">, bytes: Uint8Array): unknown =>
  typeOf(kind).toObject(typeOf(kind).decode(bytes), { longs: String });

describe("messages", () => {
  const bytes = writeMessage(protobuf.Writer.create(), "model", model).finish();

  it("are written and read as protobufjs does it by the schema", () => {
    const type = typeOf("model");
    expect(Buffer.compare(bytes, type.encode(type.fromObject(model)).finish())).toBe(0);
    expect(readMessage(bytes, "model")).toEqual(model);
    expect(byProtobufjs("model", bytes)).toEqual(model);
  });

  it("are merged, lists are read in both forms, and what is unknown or of another type is passed over", () => {
    const tag = (id: number, wire: number) => encodeVarint(id * 8 + wire);
    const tensor = Buffer.concat([
      // Packed dimensions, floats one by one, a name twice.
      ...[encodeHeader(1, 2), Buffer.from([7, 8]), tag(1, 0), Buffer.from([9])],
      ...[tag(4, 5), Buffer.from([0, 0, 128, 63]), encodeHeader(4, 4), Buffer.from([0, 0, 0, 64])],
      ...[encodeHeader(8, 1), Buffer.from("a"), encodeHeader(8, 1), Buffer.from("b")],
      // A type as text, a field of the schema without a rule, and a group.
      ...[encodeHeader(2, 1), Buffer.from("x"), encodeHeader(12, 1), Buffer.from("d")],
      ...[tag(100, 3), tag(1, 0), Buffer.from([1]), tag(100, 4)],
    ]);
    const found = { dims: ["7", "8", "9"], floatData: [1, 2], name: "b" };
    expect(readMessage(tensor, "tensor")).toEqual(found);
    expect(byProtobufjs("tensor", tensor)).toEqual({ ...found, docString: "d" });
    const twice = Buffer.concat([bytes, bytes]);
    expect(readMessage(twice, "model")).toEqual(byProtobufjs("model", twice));
  });

  it("are refused where they are cut off or nest without end", () => {
    for (let length = 1; length < bytes.length; length += 7) {
      const part = bytes.subarray(0, length);
      const outcome = (read: () => unknown): unknown => {
        try {
          return read();
        } catch {
          return "refused";
        }
      };
      expect(outcome(() => readMessage(part, "model"))).toEqual(outcome(() => byProtobufjs("model", part)));
    }
    let nested: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 200; depth++)
      for (const field of [6, 5, 1]) nested = Buffer.concat([encodeHeader(field, nested.length), nested]);
    expect(() => readMessage(nested, "graph")).toThrow(/nest/);
  });
});
