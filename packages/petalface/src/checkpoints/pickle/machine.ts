import { itemAt, lastOf } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import type { ByteReader } from "./bytes.ts";
import {
  isObject,
  isTuple,
  type PickleGlobal,
  type PickleMap,
  type PickleObject,
  type PickleSet,
  type PickleValue,
  tuple,
} from "./values.ts";

/** What is allowed while one pickle is read. */
export interface PickleRules {
  /** What error messages call the pickle. */
  readonly name: string;
  /**
   * The value that calling a named function or class gives, for the few that are known; undefined
   * for all others, which is an error. Nothing else is ever called.
   */
  readonly call: (callee: PickleGlobal, args: readonly PickleValue[], machine: Machine) => PickleValue | undefined;
  /** Classes whose attributes become entries of the dictionary that stands for them. */
  readonly attributesAreEntries: (callee: PickleGlobal) => boolean;
  /** Sets the state of an object that `call` gave. False where it takes none. */
  readonly setState?: (target: PickleObject, state: PickleValue, machine: Machine) => boolean;
  /** The object outside the pickle that an id stands for. Without it, ids are an error. */
  readonly persistent?: (id: PickleValue, machine: Machine) => PickleValue;
  /** What byte strings of Python 2 are: names in checkpoints, images in lists of pairs. */
  readonly python2: "text" | "bytes";
}

/** The stack machine that a pickle is a program for. */
export interface Machine {
  readonly rules: PickleRules;
  readonly input: ByteReader;
  readonly stack: PickleValue[];
  readonly marks: number[];
  readonly memo: Map<number, PickleValue>;
  /** Dictionaries that stand for an object with attributes. */
  readonly namespaces: WeakSet<PickleMap>;
  /** What may still be made before the pickle counts as an attack on memory. */
  readonly budget: { operations: number; containers: number; memories: number; bytes: number };
}

/**
 * A pickle of a training checkpoint takes under 100,000 operations, one of 12,000 images under
 * 300,000.
 */
const OPERATIONS = 5_000_000;
const CONTAINERS = 500_000;
const MEMORIES = 500_000;

export function newMachine(rules: PickleRules, input: ByteReader, size: number): Machine {
  return {
    rules,
    input,
    stack: [],
    marks: [],
    memo: new Map(),
    namespaces: new WeakSet(),
    budget: { operations: OPERATIONS, containers: CONTAINERS, memories: MEMORIES, bytes: size },
  };
}

/** An error at the place where the machine is. */
export function refusal(machine: Machine, what: string): PetalfaceError {
  return new PetalfaceError(
    "PETAL_CHECKPOINT_DAMAGED",
    `${machine.rules.name}: ${what} (before byte ${machine.input.position()} of the pickle)`,
  );
}

/** Takes from what may still be made; throws where nothing is left. */
export function spend(machine: Machine, kind: keyof Machine["budget"], count: number): void {
  machine.budget[kind] -= count;
  if (machine.budget[kind] < 0)
    throw refusal(machine, `it would make more ${kind} than any checkpoint needs; it is damaged or made to do harm`);
}

/** Keeps the value on top for later. */
export function remember(machine: Machine, index: number): void {
  spend(machine, "memories", 1);
  machine.memo.set(index, top(machine));
}

/** A line of the text protocol; reading one takes as long as many binary operations. */
export function line(machine: Machine): string {
  spend(machine, "operations", 10);
  return machine.input.line();
}

export function push(machine: Machine, value: PickleValue): void {
  machine.stack.push(value);
}

export function pop(machine: Machine): PickleValue {
  if (machine.stack.length <= (machine.marks.at(-1) ?? 0)) throw refusal(machine, "its stack is empty");
  return machine.stack.pop() as PickleValue;
}

export function top(machine: Machine): PickleValue {
  if (machine.stack.length <= (machine.marks.at(-1) ?? 0)) throw refusal(machine, "its stack is empty");
  return lastOf(machine.stack);
}

/** Everything above the last mark, which goes too. */
export function popToMark(machine: Machine): PickleValue[] {
  const mark = machine.marks.pop();
  if (mark === undefined) throw refusal(machine, "a mark is missing");
  return machine.stack.splice(mark);
}

export function newMap(machine: Machine): PickleMap {
  spend(machine, "containers", 1);
  return new Map();
}

export function newSet(machine: Machine, items: readonly PickleValue[]): PickleSet {
  spend(machine, "containers", 1);
  spend(machine, "operations", items.length);
  return new Set(items);
}

export function newTuple(machine: Machine, items: readonly PickleValue[]): readonly PickleValue[] {
  spend(machine, "containers", 1);
  return tuple(items);
}

export function newList(machine: Machine, items: PickleValue[]): PickleValue[] {
  spend(machine, "containers", 1);
  return items;
}

/** Adds keys and values, given in turn. Keys are what Python can hash: no dictionaries or lists. */
export function setItems(machine: Machine, target: PickleValue, items: readonly PickleValue[]): void {
  if (!(target instanceof Map)) throw refusal(machine, `entries are put into ${describe(target)}, no dictionary`);
  if (items.length % 2 !== 0) throw refusal(machine, "a dictionary has a key without a value");
  spend(machine, "operations", items.length);
  for (let at = 0; at < items.length; at += 2) {
    const key = itemAt(items, at);
    if (typeof key === "object" && key !== null && !(key instanceof Uint8Array) && !isTuple(key))
      throw refusal(machine, `a dictionary has ${describe(key)} as a key`);
    target.set(key, itemAt(items, at + 1));
  }
}

export function append(machine: Machine, target: PickleValue, items: readonly PickleValue[]): void {
  if (!Array.isArray(target) || isTuple(target))
    throw refusal(machine, `items are appended to ${describe(target)}, no list`);
  const list = target as PickleValue[];
  for (const item of items) list.push(item);
}

/** Calls what the rules know, and refuses everything else by its name. */
export function call(machine: Machine, callee: PickleValue, args: PickleValue): void {
  if (!isGlobal(callee)) throw refusal(machine, `it calls ${describe(callee)}`);
  if (!isTuple(args)) throw refusal(machine, `it calls ${callee.module}.${callee.name} without a tuple of arguments`);
  const value = machine.rules.call(callee, args, machine);
  if (value === undefined)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSAFE",
      `${machine.rules.name}: it wants to call ${quote(`${callee.module}.${callee.name}`)}, which is not among what a checkpoint of tensors needs; nothing was run. Whoever made the file can save model.state_dict() alone`,
    );
  if (value instanceof Map && machine.rules.attributesAreEntries(callee)) machine.namespaces.add(value);
  push(machine, value);
}

/** Gives the object on the stack the state that was pickled with it. */
export function build(machine: Machine): void {
  const state = pop(machine);
  const target = top(machine);
  if (target instanceof Map) {
    // A state dict carries `_metadata` (versions of its layers) as an attribute, which is of no use
    // here.
    if (!machine.namespaces.has(target)) return;
    if (!(state instanceof Map)) throw refusal(machine, "the attributes of an object are not a dictionary");
    spend(machine, "operations", state.size);
    for (const [key, value] of [...state]) target.set(key, value);
    return;
  }
  if (isObject(target) && machine.rules.setState?.(target, state, machine)) return;
  throw refusal(machine, `it sets the state of ${describe(target)}`);
}

export function isGlobal(value: PickleValue): value is PickleGlobal {
  return isObject(value) && value.kind === "global";
}

/** What error messages call a value. */
export function describe(value: PickleValue): string {
  if (value === null) return "None";
  if (typeof value !== "object") return `a ${typeof value}`;
  if (Array.isArray(value)) return isTuple(value) ? "a tuple" : "a list";
  if (value instanceof Map) return "a dictionary";
  if (value instanceof Set) return "a set";
  if (value instanceof Uint8Array) return "a byte string";
  if (!isObject(value)) return "a value";
  return value.kind === "global" ? quote(`${value.module}.${value.name}`) : `a ${value.kind}`;
}

/** A name from the file, quoted and safe to print: no control characters, not long. */
export function quote(text: string): string {
  return printable(JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text));
}

/**
 * Text from the file as a terminal may show it: control characters and changes of writing direction
 * are spelled out.
 */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach the terminal
    /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
