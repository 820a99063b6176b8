import { PetalfaceError } from "../errors.ts";
import { quote } from "./pickle/machine.ts";
import {
  isObject,
  isTuple,
  type PickleMap,
  type PickleObject,
  type PickleStorage,
  type PickleTensor,
  type PickleValue,
} from "./pickle/values.ts";
import type { CheckpointTensor, Plain, Quantizer, Storage, TensorGroup } from "./types.ts";

/**
 * What may be walked: a plain value counts one, a tensor or container ten. A training checkpoint
 * with its optimiser takes some 200,000.
 */
const MOST_VALUES = 2_000_000;
const COST = 10;
const DEEPEST = 64;
/** Metadata are for people: longer text is cut and marked. */
const LONGEST_LIST = 256;
const LONGEST_TEXT = 1000;
const MOST_PLAIN = 20_000;

/** Groups of tensors of a saved object, and everything else of it. */
export interface Collected {
  readonly groups: readonly TensorGroup[];
  readonly metadata: { readonly [key: string]: Plain };
}

/**
 * Walks a saved object: every dictionary or list that holds tensors directly becomes a group, named
 * by the keys that lead to it. Throws PetalfaceError where it holds itself, is nested deeper than
 * 64 levels or has more values than a checkpoint can have.
 */
export function collect(value: PickleValue, path: string, locate: (storage: PickleStorage) => Storage): Collected {
  const groups = new Map<string, Map<string, CheckpointTensor>>();
  const above = new Set<PickleValue>();
  let values = 0;
  let plain = 0;

  const place = (name: string, tensor: PickleTensor): CheckpointTensor => {
    const { dtype, shape, strides, offset, elements, storage, quantizer } = tensor;
    const placed = { name, dtype, shape, strides, offset, elements, storage: locate(storage) };
    if (quantizer === undefined) return placed;
    return { ...placed, quantizer: mapQuantizer(quantizer, (item) => place(name, item)) };
  };
  const add = (group: string, name: string, tensor: PickleTensor): void => {
    const tensors = groups.get(group) ?? new Map<string, CheckpointTensor>();
    groups.set(group, tensors);
    if (tensors.has(name))
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_UNSUPPORTED",
        `${path}: two tensors are named ${quote(group === "" ? name : `${group}/${name}`)}`,
      );
    tensors.set(name, place(name, tensor));
  };

  /** Puts tensors into groups and gives the rest; undefined where nothing is left. */
  const walk = (item: PickleValue, group: string, name: string): Plain | undefined => {
    values += item === null || typeof item !== "object" ? 1 : COST;
    if (values > MOST_VALUES)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_UNSAFE",
        `${path}: it nests more values than any checkpoint has; it is damaged or made to do harm`,
      );
    if (item === null || typeof item !== "object" || item instanceof Uint8Array || isObject(item)) {
      if (item !== null && typeof item === "object" && isObject(item) && item.kind === "tensor") {
        add(group, name, item);
        return undefined;
      }
      return simple(item);
    }
    if (above.has(item)) throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${path}: ${quote(name)} holds itself`);
    if (above.size >= DEEPEST)
      throw new PetalfaceError("PETAL_CHECKPOINT_UNSAFE", `${path}: it is nested deeper than ${DEEPEST} levels`);
    above.add(item);
    // The top has no name of its own.
    const inner = above.size === 1 ? "" : group === "" ? name : `${group}/${name}`;
    const result = item instanceof Map ? walkMap(item, inner) : walkList(item, inner);
    above.delete(item);
    return result;
  };

  /**
   * Adds a quantised layer's weight and bias, which PyTorch packs into one entry, under the names
   * of the layer's float form.
   */
  const addPacked = (item: PickleValue, group: string, name: string): boolean => {
    const [, layer] = /^(.*?)_packed_params\._packed_params$/.exec(name) ?? [];
    if (layer === undefined || !isTuple(item)) return false;
    const [weight, bias, ...rest] = item;
    if (!isTensor(weight) || !(bias === null || isTensor(bias)) || rest.length > 0) return false;
    add(group, `${layer}weight`, weight);
    if (bias !== null) add(group, `${layer}bias`, bias);
    return true;
  };

  const walkMap = (map: PickleMap, group: string): Plain | undefined => {
    const rest: Record<string, Plain> = Object.create(null) as Record<string, Plain>;
    let tensors = 0;
    for (const [key, item] of map) {
      const name = keyName(key);
      const left = addPacked(item, group, name) ? undefined : walk(item, group, name);
      if (left === undefined) tensors++;
      else if (plain++ < MOST_PLAIN) rest[cut(name)] = left;
    }
    return tensors > 0 && tensors === map.size ? undefined : rest;
  };

  const walkList = (items: Iterable<PickleValue>, group: string): Plain | undefined => {
    const rest: Plain[] = [];
    let tensors = 0;
    let index = 0;
    for (const item of items) {
      const left = walk(item, group, String(index++));
      if (left === undefined) tensors++;
      else if (rest.length < LONGEST_LIST && plain++ < MOST_PLAIN) rest.push(left);
    }
    if (tensors > 0 && tensors === index) return undefined;
    const missing = index - tensors - rest.length;
    return missing > 0 ? [...rest, `... ${missing} more`] : rest;
  };

  const rest = walk(value, "", "tensor");
  const isTop = typeof rest === "object" && rest !== null && !Array.isArray(rest);
  const metadata: { readonly [key: string]: Plain } = isTop
    ? (rest as { readonly [key: string]: Plain })
    : rest === undefined
      ? {}
      : { value: rest };
  for (const tensors of groups.values()) dropRanges(tensors);
  return {
    groups: [...groups].map(([path, tensors]) => ({ path, tensors, elements: count(tensors) })),
    metadata,
  };
}

const isTensor = (item: PickleValue | undefined): item is PickleTensor =>
  item !== undefined && item !== null && typeof item === "object" && isObject(item) && item.kind === "tensor";

function mapQuantizer<T, Other>({ scales, zeroPoints, axis }: Quantizer<T>, map: (item: T) => Other): Quantizer<Other> {
  const each = (item: number | T): number | Other => (typeof item === "number" ? item : map(item));
  return { scales: each(scales), zeroPoints: each(zeroPoints), axis };
}

const count = (tensors: ReadonlyMap<string, CheckpointTensor>): number =>
  [...tensors.values()].reduce((sum, { elements }) => sum + elements, 0);

/**
 * Next to quantised weights PyTorch keeps the scale and zero point of a layer's output. A network
 * in float has neither.
 */
function dropRanges(tensors: Map<string, CheckpointTensor>): void {
  if (![...tensors.values()].some(({ quantizer }) => quantizer !== undefined)) return;
  for (const [name, { elements }] of [...tensors]) {
    const zero = name.replace(/(^|\.)scale$/, "$1zero_point");
    if (zero === name || elements !== 1 || tensors.get(zero)?.elements !== 1) continue;
    tensors.delete(name);
    tensors.delete(zero);
  }
}

function keyName(key: PickleValue): string {
  if (typeof key === "string") return key;
  if (key instanceof Uint8Array) return Buffer.from(key).toString("latin1");
  if (Array.isArray(key)) return `(${key.map((part) => (typeof part === "object" ? "..." : String(part))).join(", ")})`;
  return String(key);
}

function simple(item: null | boolean | number | bigint | string | Uint8Array | PickleObject): Plain {
  if (item === null || typeof item === "boolean") return item;
  // JSON has neither.
  if (typeof item === "number") return Number.isFinite(item) ? item : String(item);
  if (typeof item === "bigint") return String(item);
  if (typeof item === "string") return cut(item);
  if (item instanceof Uint8Array) return `<${item.length} bytes>`;
  switch (item.kind) {
    case "global":
      return `<${cut(`${item.module}.${item.name}`)}>`;
    case "array":
      return `<array ${item.type.code} [${item.shape.join(", ")}]>`;
    case "numpy-type":
      return `<type ${item.code}>`;
    default:
      return `<${item.kind}>`;
  }
}

function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}... (${text.length} characters)` : text;
}
