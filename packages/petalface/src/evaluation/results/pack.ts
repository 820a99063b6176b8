import { isRecord } from "../../json.ts";
import type {
  Condition,
  EvaluationDetail,
  IdentificationOutcome,
  NearPerson,
  Outcome,
  ProtocolSummary,
  VerificationOutcome,
} from "./types.ts";

/**
 * Details as JSON: typed arrays become numbers of a list, in which each distinct array stands once
 * as base64 of its little-endian bytes, so that what conditions share is stored once.
 */
export function packDetail(detail: EvaluationDetail): object {
  const arrays: object[] = [];
  const places = new Map<ArrayBufferView, number>();
  const put = (values: Float32Array | Int32Array | Uint8Array): number => {
    const known = places.get(values);
    if (known !== undefined) return known;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    places.set(values, arrays.length);
    return arrays.push({ type: typeName(values), base64: bytes.toString("base64") }) - 1;
  };
  const outcomes = detail.outcomes.map((outcome) =>
    Object.fromEntries(Object.entries(outcome).map(([name, value]) => [name, isPacked(value) ? put(value) : value])),
  );
  const alphas = detail.alphas.map(({ degradation, alpha }) => ({ degradation, alpha: put(alpha) }));
  const { items, digests, nearest } = detail;
  return { items, digests, ...(nearest && { nearest }), outcomes, alphas, arrays };
}

const isPacked = (value: unknown): value is Float32Array | Int32Array | Uint8Array =>
  value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint8Array;

const typeName = (values: Float32Array | Int32Array | Uint8Array): string =>
  values instanceof Float32Array ? "float32" : values instanceof Int32Array ? "int32" : "uint8";

/**
 * Undoes {@link packDetail}. Throws an Error that names what is missing or does not fit: lengths,
 * and indices that point nowhere. Nothing larger is allocated than what the document holds.
 */
export function unpackDetail(packed: unknown, { people, folds }: ProtocolSummary): EvaluationDetail {
  demand(Number.isInteger(people) && people >= 1 && people <= 1e9, "protocol");
  const document = record("detail", packed);
  const arrays = list("arrays", document.arrays).map(decodeArray);
  const items = list("items", document.items).map(String);
  const digests = list("digests", document.digests).map(String);
  demand(digests.length === 0 || digests.length === items.length, "digests");
  const array = <T>(name: string, value: unknown, type: abstract new (...args: never) => T): T => {
    const found = arrays[isWhole(value) ? value : -1];
    demand(found instanceof type, name);
    return found as T;
  };
  const indices = (name: string, value: unknown, length: number, below: number): Int32Array => {
    const found = array(name, value, Int32Array);
    demand(found.length === length && found.every((index) => index >= 0 && index < below), name);
    return found;
  };
  const floats = (name: string, value: unknown, length: number, orNaN = false): Float32Array => {
    const found = array(name, value, Float32Array);
    demand(found.length === length && (orNaN || found.every((number) => !Number.isNaN(number))), name);
    return found;
  };

  const verification = (entry: Readonly<Record<string, unknown>>): VerificationOutcome => {
    const same = array("same", entry.same, Uint8Array);
    const count = same.length;
    demand(count > 0 && same.every((flag) => flag <= 1), "same");
    return {
      kind: "verification",
      condition: condition(entry.condition),
      scores: floats("scores", entry.scores, count),
      same,
      first: indices("first", entry.first, count, people),
      second: indices("second", entry.second, count, people),
      firstItem: indices("firstItem", entry.firstItem, count, items.length),
      secondItem: indices("secondItem", entry.secondItem, count, items.length),
      ...(entry.fold !== undefined && { fold: indices("fold", entry.fold, count, folds) }),
      ...(entry.weight !== undefined && { weight: floats("weight", entry.weight, count) }),
    };
  };
  const identification = (entry: Readonly<Record<string, unknown>>): IdentificationOutcome => {
    const rank = array("rank", entry.rank, Int32Array);
    const { gallery } = entry;
    demand(isWhole(gallery), "gallery");
    return {
      kind: "identification",
      condition: condition(entry.condition),
      person: indices("person", entry.person, rank.length, people),
      item: indices("item", entry.item, rank.length, items.length),
      rank: indices("rank", entry.rank, rank.length, gallery + 1),
      mate: floats("mate", entry.mate, rank.length),
      other: floats("other", entry.other, rank.length),
      gallery,
    };
  };
  const outcomes = list("outcomes", document.outcomes).map((value): Outcome => {
    const entry = record("outcome", value);
    demand(entry.kind === "verification" || entry.kind === "identification", "kind");
    return entry.kind === "verification" ? verification(entry) : identification(entry);
  });
  const alphas = list("alphas", document.alphas).map((value) => {
    const { degradation, alpha } = record("alpha", value);
    demand(degradation === null || typeof degradation === "string", "degradation");
    return { degradation, alpha: floats("alpha", alpha, items.length, true) };
  });
  const below = (name: string, value: unknown, limit: number, least = 0): number => {
    demand(isWhole(value) && value >= least && value < limit, name);
    return value;
  };
  const near = (value: unknown): NearPerson => {
    const { item, person, score } = record("nearest", value);
    demand(typeof score === "number", "score");
    return { item: below("item", item, items.length), person: below("person", person, people, -1), score };
  };
  const nearest = list("nearest", document.nearest ?? []).map((value) => {
    const search = record("nearest", value);
    return {
      condition: condition(search.condition),
      probes: list("probes", search.probes).map((each) => {
        const probe = record("probe", each);
        return {
          item: below("item", probe.item, items.length),
          person: below("person", probe.person, people),
          nearest: list("nearest", probe.nearest).map(near),
        };
      }),
    };
  });
  return { items, outcomes, alphas, digests, ...(nearest.length > 0 && { nearest }) };
}

function decodeArray(value: unknown): Float32Array | Int32Array | Uint8Array {
  const { type, base64 } = record("array", value);
  demand(typeof base64 === "string", "base64");
  // A copy: numbers of four bytes must be aligned, and Buffer hands out parts of a pool.
  const { buffer, length } = new Uint8Array(Buffer.from(base64, "base64"));
  demand(type === "uint8" || length % 4 === 0, "base64");
  if (type === "float32") return new Float32Array(buffer);
  if (type === "int32") return new Int32Array(buffer);
  demand(type === "uint8", "type");
  return new Uint8Array(buffer);
}

function condition(value: unknown): Condition {
  const { kind, degradation, name } = record("condition", value);
  if (kind === "sharp") return { kind };
  if (kind === "named" && typeof name === "string") return { kind, name };
  demand((kind === "lr" || kind === "mixed") && typeof degradation === "string", "condition");
  return { kind, degradation };
}

function record(name: string, value: unknown): Readonly<Record<string, unknown>> {
  demand(isRecord(value), name);
  return value;
}

function list(name: string, value: unknown): readonly unknown[] {
  demand(Array.isArray(value), name);
  return value;
}

const isWhole = (value: unknown): value is number => Number.isInteger(value);

function demand(condition: boolean, name: string): asserts condition {
  if (!condition) throw new Error(`${name} is missing or does not fit`);
}
