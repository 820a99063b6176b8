import protobuf from "protobufjs/minimal.js";
import { type FieldRule, fieldRules, type MessageKind, type ScalarKind } from "./fields.ts";

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

/** A message as a plain object; absent fields are missing. */
export type Message = Record<string, unknown>;

/** Messages inside messages inside messages: beyond this no honest file goes. */
const deepest = 100;

/** protobuf's wire types. */
const runOfBytes = 2;

/** How a scalar is written: its wire type, and how a reader and a writer are asked for it. */
interface Scalar {
  readonly wire: number;
  read(reader: Reader): unknown;
  write(writer: Writer, value: unknown): void;
}

const scalars: Readonly<Record<ScalarKind, Scalar>> = {
  int32: { wire: 0, read: (from) => from.int32(), write: (to, value) => to.int32(Number(value)) },
  int64: { wire: 0, read: (from) => from.int64().toString(), write: (to, value) => to.int64(String(value)) },
  float: { wire: 5, read: (from) => from.float(), write: (to, value) => to.float(Number(value)) },
  double: { wire: 1, read: (from) => from.double(), write: (to, value) => to.double(Number(value)) },
  string: { wire: runOfBytes, read: (from) => from.string(), write: (to, value) => to.string(String(value)) },
  bytes: { wire: runOfBytes, read: (from) => from.bytes(), write: (to, value) => to.bytes(value as Uint8Array) },
};

const scalarOf = (kind: FieldRule["kind"]): Scalar | undefined =>
  kind in scalars ? scalars[kind as ScalarKind] : undefined;

const byId = new Map<MessageKind, ReadonlyMap<number, FieldRule>>();
for (const [kind, rules] of Object.entries(fieldRules))
  byId.set(kind as MessageKind, new Map(rules.map((rule) => [rule.id, rule])));

/**
 * Reads a message into `found`, which may hold an earlier part of it: lists go on, and messages are
 * merged, as protobuf has it. Fields without a rule, and those of another wire type, are passed
 * over.
 *
 * @throws Error where the bytes are no such message, or nest too deeply
 */
export function readMessage(bytes: Uint8Array, kind: MessageKind, found: Message = {}, depth = 0): Message {
  if (depth > deepest) throw new Error("messages nest too deeply");
  const reader = protobuf.Reader.create(bytes);
  const rules = byId.get(kind);
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    const wire = tag & 7;
    const rule = rules?.get(tag >>> 3);
    if (rule === undefined || !readField(reader, wire, rule, found, depth)) reader.skipType(wire, depth, tag >>> 3);
  }
  return found;
}

/** Reads one field; false where it has another wire type than its rule says. */
function readField(reader: Reader, wire: number, rule: FieldRule, found: Message, depth: number): boolean {
  const { name, kind, list } = rule;
  const scalar = scalarOf(kind);
  const known = found[name];
  const all: unknown[] = Array.isArray(known) ? known : [];
  if (scalar === undefined) {
    if (wire !== runOfBytes) return false;
    const earlier = list === undefined && known !== undefined ? (known as Message) : {};
    const message = readMessage(reader.bytes(), kind as MessageKind, earlier, depth + 1);
    if (list !== undefined) all.push(message);
    found[name] = list === undefined ? message : all;
    return true;
  }
  if (list !== undefined && wire === runOfBytes && scalar.wire !== runOfBytes) {
    const run = protobuf.Reader.create(reader.bytes());
    while (run.pos < run.len) all.push(scalar.read(run));
    found[name] = all;
    return true;
  }
  if (wire !== scalar.wire) return false;
  const value = scalar.read(reader);
  if (list !== undefined) all.push(value);
  found[name] = list === undefined ? value : all;
  return true;
}

/** Writes a message, fields ascending; those that are missing and empty lists are left out. */
export function writeMessage(writer: Writer, kind: MessageKind, message: Message): Writer {
  for (const rule of fieldRules[kind]) {
    const value = message[rule.name];
    if (value === undefined || value === null) continue;
    const scalar = scalarOf(rule.kind);
    const values: readonly unknown[] = rule.list !== undefined && Array.isArray(value) ? value : [value];
    if (scalar !== undefined && rule.list === "packed") {
      if (values.length === 0) continue;
      writer.uint32(rule.id * 8 + runOfBytes).fork();
      for (const each of values) scalar.write(writer, each);
      writer.ldelim();
      continue;
    }
    for (const each of values) {
      writer.uint32(rule.id * 8 + (scalar?.wire ?? runOfBytes));
      if (scalar !== undefined) scalar.write(writer, each);
      else writeMessage(writer.fork(), rule.kind as MessageKind, each as Message).ldelim();
    }
  }
  return writer;
}
