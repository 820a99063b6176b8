import { readFileSync } from "node:fs";
import fc from "fast-check";
import { type PositionedFile, withFile } from "../../src/format/file.ts";
import { encodeHeader, encodeVarint, wireWalker } from "../../src/format/wire.ts";
import { itemAt } from "../../src/graph/item-at.ts";

/**
 * A field of a message; a payload that is a number is that many bytes of weights, which nobody
 * looks at.
 */
export interface Part {
  number: number;
  wire: number;
  payload: Buffer | number | Part[];
}

/** Messages inside messages of a model (schema/onnx.proto): field to what is in it. */
interface Nest {
  readonly [field: number]: Nest;
}
const tensor: Nest = { 13: {} };
const value: Nest = { 2: { 1: { 2: { 1: {} } } } };
const model: Nest = { 7: { 1: { 5: { 5: tensor } }, 5: tensor, 11: value, 12: value }, 8: {}, 14: {} };

/** Takes a model apart; runs of more than a kilobyte are weights. */
export function partsOf(path: string): Part[] {
  const bytes = readFileSync(path);
  return withFile(path, (file: PositionedFile) => {
    const fields = wireWalker(file);
    const visit = (start: number, end: number, nest: Nest): Part[] =>
      [...fields(start, end)].map(({ number, wire, body, end: until }) => {
        const inner = nest[number];
        const payload =
          wire === 2 && inner !== undefined
            ? visit(body, until, inner)
            : until - body > 1024
              ? until - body
              : bytes.subarray(body, until);
        return { number, wire, payload };
      });
    return visit(0, file.size, model);
  });
}

/** The file as bytes and gaps. */
export function flatten(parts: readonly Part[]): (Buffer | number)[] {
  return parts.flatMap(({ number, wire, payload }) => {
    const body = Array.isArray(payload) ? flatten(payload) : [payload];
    const length = lengthOf(body);
    return [Buffer.from(wire === 2 ? encodeHeader(number, length) : encodeVarint(number * 8 + wire)), ...body];
  });
}

const lengthOf = (body: readonly (Buffer | number)[]): number =>
  body.reduce<number>((sum, item) => sum + (typeof item === "number" ? item : item.length), 0);

/** All bytes of a file, zeros in its gaps. */
export function wholeOf(body: readonly (Buffer | number)[]): Buffer {
  const whole = Buffer.alloc(lengthOf(body));
  let at = 0;
  for (const item of body) {
    if (typeof item !== "number") whole.set(item, at);
    at += typeof item === "number" ? item : item.length;
  }
  return whole;
}

/** What `wholeOf(flatten(parts))` is, written in one piece: a model has thousands of parts. */
export function wholeOfParts(parts: readonly Part[]): Buffer {
  const lengths = new Map<readonly Part[], number>();
  const lengthOf = (payload: Part["payload"]): number => {
    if (typeof payload === "number") return payload;
    if (!Array.isArray(payload)) return payload.length;
    let sum = 0;
    for (const part of payload) {
      const length = lengthOf(part.payload);
      sum += varintLength(part.number * 8 + part.wire) + (part.wire === 2 ? varintLength(length) : 0) + length;
    }
    lengths.set(payload, sum);
    return sum;
  };
  const whole = Buffer.alloc(lengthOf([...parts]));
  let at = 0;
  const varint = (value: number): void => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) whole[at++] = (rest % 128) + 128;
    whole[at++] = rest;
  };
  const write = (list: readonly Part[]): void => {
    for (const { number, wire, payload } of list) {
      varint(number * 8 + wire);
      const length = typeof payload === "number" ? payload : (lengths.get(payload as Part[]) ?? payload.length);
      if (wire === 2) varint(length);
      if (Array.isArray(payload)) write(payload);
      else {
        if (typeof payload !== "number") whole.set(payload, at);
        at += length;
      }
    }
  };
  write(parts);
  return whole;
}

const varintLength = (value: number): number => {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
};

/** A file in memory that says it is at `path`. */
export const fileOf = (path: string, bytes: Buffer): PositionedFile => ({
  path,
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/** One change of bytes anywhere outside the weights. */
export interface ByteChange {
  readonly kind: "set" | "flip" | "delete" | "insert" | "splice" | "varint" | "widen" | "truncate";
  readonly at: number;
  readonly from: number;
  readonly length: number;
  readonly byte: number;
}

const place = fc.nat(2 ** 30);

/** Draws what happens to the bytes of a file. */
export const byteChanges: fc.Arbitrary<ByteChange[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<ByteChange["kind"][]>(
      ...(["set", "flip", "flip", "delete", "insert", "splice", "varint", "widen", "truncate"] as const),
    ),
    at: place,
    from: place,
    length: fc.integer({ min: 1, max: 12 }),
    byte: fc.nat(255),
  }),
  { minLength: 1, maxLength: 3 },
);

/** The file with its bytes changed. */
export function changeBytes(body: readonly (Buffer | number)[], changes: readonly ByteChange[]): (Buffer | number)[] {
  return changes.reduce<(Buffer | number)[]>(
    (items, change) => {
      const index = pickOf(
        items.flatMap((item, i) => (typeof item !== "number" && item.length > 0 ? [i] : [])),
        change.at,
      );
      if (index === undefined) return items;
      const item = items[index] as Buffer;
      const at = (change.from >>> 8) % item.length;
      const [before, after] = [item.subarray(0, at), item.subarray(at)];
      const donor = items[change.from % items.length];
      const changed: Record<ByteChange["kind"], () => Buffer[]> = {
        set: () => [before, Buffer.of(change.byte), after.subarray(1)],
        flip: () => [before, Buffer.of(itemAt(after, 0) ^ (1 << (change.byte & 7))), after.subarray(1)],
        delete: () => [before, after.subarray(change.length)],
        insert: () => [before, Buffer.alloc(change.length, change.byte), after],
        splice: () => [before, Buffer.isBuffer(donor) ? donor : Buffer.of(0), after],
        varint: () => [before, Buffer.alloc(change.length - 1, 0xff), Buffer.of(change.byte & 0x7f), after.subarray(1)],
        widen: () => [before, Buffer.of(0xfe, 0xff, 0xff, 0xff, change.length), after.subarray(1)],
        truncate: () => [before],
      };
      const result = Buffer.concat(changed[change.kind]());
      return change.kind === "truncate"
        ? [...items.slice(0, index), result]
        : [...items.slice(0, index), result, ...items.slice(index + 1)];
    },
    [...body],
  );
}

const pickOf = <T>(list: readonly T[], at: number): T | undefined => list[at % list.length];

/**
 * One change of a field, after which all lengths are right again: what is wrong is what the model
 * says.
 */
export interface FieldChange {
  readonly kind: "drop" | "repeat" | "swap" | "renumber" | "rewire" | "copy" | "extreme" | "move" | "byte" | "empty";
  readonly at: number;
  readonly other: number;
}

/** Draws what happens to the fields of a model. */
export const fieldChanges: fc.Arbitrary<FieldChange[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<FieldChange["kind"][]>(
      ...([
        "drop",
        "repeat",
        "swap",
        "renumber",
        "rewire",
        "copy",
        "copy",
        "extreme",
        "extreme",
        "move",
        "byte",
        "empty",
      ] as const),
    ),
    at: place,
    other: place,
  }),
  { minLength: 1, maxLength: 3 },
);

/**
 * Numbers that counts, axes, sizes and types should not have: -1, 0, 2^31, 2^40, 2^62, the least
 * and the largest int64 ...
 */
const EXTREMES = [
  -1n,
  0n,
  2n,
  3n,
  7n,
  13n,
  255n,
  65_536n,
  2n ** 31n,
  2n ** 40n,
  2n ** 62n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  -7n,
];

const varintOf = (value: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};

/** The model with some fields changed; the parts given stay as they are. */
export function changeFields(parts: readonly Part[], changes: readonly FieldChange[]): Part[] {
  const root = clone(parts);
  for (const change of changes) {
    const all: { list: Part[]; part: Part }[] = [];
    const collect = (list: Part[]): void => {
      for (const part of list) {
        all.push({ list, part });
        if (Array.isArray(part.payload)) collect(part.payload);
      }
    };
    collect(root);
    const here = pickOf(all, change.at);
    const there = pickOf(all, change.other);
    if (here === undefined || there === undefined) continue;
    const { list, part } = here;
    const index = list.indexOf(part);
    const bytes = Buffer.isBuffer(part.payload) ? part.payload : undefined;
    const apply: Record<FieldChange["kind"], () => void> = {
      drop: () => list.splice(index, 1),
      repeat: () => list.splice(index, 0, ...clone([part])),
      swap: () => list.splice(index, 0, ...list.splice(change.other % list.length, 1)),
      renumber: () => {
        part.number = 1 + (change.other % 26);
      },
      rewire: () => {
        part.wire = change.other % 8;
      },
      copy: () => {
        // From a field of the same kind where there is one: a name of another node, an axis of
        // another tensor.
        const alike = all.filter((item) => item.part.number === part.number && item.part.wire === part.wire);
        part.payload = clone([(pickOf(alike, change.other) ?? there).part])[0]?.payload ?? Buffer.alloc(0);
      },
      extreme: () => {
        if (part.wire === 0) part.payload = varintOf(pickOf(EXTREMES, change.other) ?? 0n);
        else if (bytes !== undefined) part.payload = Buffer.alloc(bytes.length, change.other & 255);
      },
      move: () => {
        if (Array.isArray(there.part.payload) && there.part !== part && !holds(part, there.part))
          there.part.payload.push(...list.splice(index, 1));
      },
      byte: () => {
        if (bytes === undefined || bytes.length === 0) return;
        const copy = Buffer.from(bytes);
        copy[change.other % copy.length] = (change.other >>> 8) & 255;
        part.payload = copy;
      },
      empty: () => {
        part.payload = Buffer.alloc(0);
      },
    };
    apply[change.kind]();
  }
  return root;
}

const holds = (part: Part, other: Part): boolean =>
  Array.isArray(part.payload) && part.payload.some((inner) => inner === other || holds(inner, other));

const clone = (parts: readonly Part[]): Part[] =>
  parts.map((part) => ({ ...part, payload: Array.isArray(part.payload) ? clone(part.payload) : part.payload }));
