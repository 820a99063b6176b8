import { itemAt } from "onnx-grad";
import {
  append,
  build,
  call,
  describe,
  line,
  type Machine,
  newList,
  newMap,
  newSet,
  newTuple,
  pop,
  popToMark,
  push,
  refusal,
  remember,
  setItems,
  spend,
  top,
} from "./machine.ts";
import type { PickleValue } from "./values.ts";

export type Operation = (machine: Machine) => void;

const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Integers of more bytes are not sizes, steps or seeds. */
const LONGEST_INTEGER = 1024;

/**
 * Text of a pickle: UTF-8 as Python writes it. Unpaired surrogates, which Python accepts, are
 * refused.
 */
function text(machine: Machine, length: number): string {
  const bytes = machine.input.take(length);
  try {
    return utf8.decode(bytes);
  } catch {
    throw refusal(machine, "a text is not valid UTF-8");
  }
}

/** A byte string of Python 2, where it was text as well. */
function python2(machine: Machine, bytes: Uint8Array): PickleValue {
  if (machine.rules.python2 === "bytes") return bytes;
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** A number as it is, where JavaScript counts exactly, and a bigint otherwise. */
export function integer(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Two's complement, lowest byte first. */
function long(machine: Machine, length: number): number | bigint {
  if (length > LONGEST_INTEGER) throw refusal(machine, `an integer has ${length} bytes`);
  if (length === 0) return 0;
  const hex = Buffer.from(machine.input.take(length)).reverse().toString("hex");
  return integer(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
}

function get(machine: Machine, index: number): void {
  const value = machine.memo.get(index);
  if (value === undefined) throw refusal(machine, `it recalls entry ${index}, which was never kept`);
  push(machine, value);
}

/** A name of code. It is only ever compared with the names that are known; see {@link call}. */
function global(machine: Machine, module: string, name: string): PickleValue {
  spend(machine, "containers", 1);
  return { kind: "global", module, name };
}

function decimal(machine: Machine, digits: string): bigint {
  if (digits.length > LONGEST_INTEGER || !/^\s*-?[0-9]+L?\s*$/.test(digits))
    throw refusal(machine, "an integer is malformed");
  return BigInt(digits.trim().replace(/L$/, ""));
}

function index(machine: Machine): number {
  const value = integer(decimal(machine, line(machine)));
  if (typeof value !== "number" || value < 0) throw refusal(machine, "the number of a kept value is malformed");
  return value;
}

/** A quoted string of Python 2 with its escapes. */
function quoted(machine: Machine): Uint8Array {
  const match = /^(['"])((?:[^\\]|\\.)*)\1\s*$/s.exec(line(machine));
  if (match === null) throw refusal(machine, "a string is malformed");
  const named: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v" };
  const plain = itemAt(match, 2).replace(/\\(?:x([0-9a-fA-F]{2})|(.))/gs, (whole, hex?: string, letter?: string) =>
    hex !== undefined ? String.fromCharCode(Number.parseInt(hex, 16)) : (named[letter ?? ""] ?? letter ?? whole),
  );
  return new Uint8Array(Buffer.from(plain, "latin1"));
}

function rawUnicode(text: string): string {
  return text.replace(
    /\\u([0-9a-fA-F]{4})|\\U(0010[0-9a-fA-F]{4}|000[0-9a-fA-F]{5})/g,
    (_, short?: string, long = "") => String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );
}

function refused(name: string): Operation {
  return (machine) => {
    throw refusal(machine, `it uses ${name}, which no checkpoint needs; nothing was run`);
  };
}

function instance(machine: Machine): void {
  const [module, name] = [line(machine), line(machine)];
  call(machine, global(machine, module, name), newTuple(machine, popToMark(machine)));
}

function construct(machine: Machine): void {
  const args = pop(machine);
  call(machine, pop(machine), args);
}

function constructWithKeywords(machine: Machine): void {
  const keywords = pop(machine);
  if (!(keywords instanceof Map) || keywords.size > 0)
    throw refusal(machine, "it makes an object with keyword arguments");
  construct(machine);
}

function object(machine: Machine): void {
  const [callee, ...args] = popToMark(machine);
  if (callee === undefined) throw refusal(machine, "it makes an object without a class");
  call(machine, callee, newTuple(machine, args));
}

function stackGlobal(machine: Machine): void {
  const [name, module] = [pop(machine), pop(machine)];
  if (typeof name !== "string" || typeof module !== "string") throw refusal(machine, "a name of code is not text");
  push(machine, global(machine, module, name));
}

function persistent(machine: Machine, id: PickleValue): void {
  if (machine.rules.persistent === undefined) throw refusal(machine, "it refers to data outside of itself");
  push(machine, machine.rules.persistent(id, machine));
}

function addItems(machine: Machine): void {
  const items = popToMark(machine);
  const target = top(machine);
  if (!(target instanceof Set)) throw refusal(machine, `items are added to ${describe(target)}, no set`);
  for (const item of items) target.add(item);
}

function tupleOf(count: number): Operation {
  return (machine) => {
    const items = new Array<PickleValue>(count);
    for (let at = count - 1; at >= 0; at--) items[at] = pop(machine);
    push(machine, newTuple(machine, items));
  };
}

function protocol(machine: Machine): void {
  const version = machine.input.byte();
  if (version > 5) throw refusal(machine, `it is of protocol ${version}; 0 to 5 are known`);
}

/**
 * Every operation of protocols 0 to 5 by its byte, except `.` (stop). Format: CPython's
 * Lib/pickletools.py.
 */
export const operations: ReadonlyMap<number, Operation> = new Map(
  Object.entries({
    // Constants
    N: (machine) => push(machine, null),
    "\x88": (machine) => push(machine, true),
    "\x89": (machine) => push(machine, false),
    I: (machine) => {
      const digits = line(machine);
      push(machine, digits === "01" ? true : digits === "00" ? false : integer(decimal(machine, digits)));
    },
    L: (machine) => push(machine, integer(decimal(machine, line(machine)))),
    J: (machine) => push(machine, machine.input.int32()),
    K: (machine) => push(machine, machine.input.byte()),
    M: (machine) => push(machine, machine.input.uint16()),
    "\x8a": (machine) => push(machine, long(machine, machine.input.byte())),
    "\x8b": (machine) => push(machine, long(machine, machine.input.uint32())),
    F: (machine) => push(machine, float(machine, line(machine))),
    G: (machine) => push(machine, machine.input.float64BigEndian()),
    // Text and bytes
    S: (machine) => push(machine, python2(machine, quoted(machine))),
    T: (machine) => push(machine, python2(machine, machine.input.take(machine.input.uint32()))),
    U: (machine) => push(machine, python2(machine, machine.input.take(machine.input.byte()))),
    V: (machine) => push(machine, rawUnicode(line(machine))),
    X: (machine) => push(machine, text(machine, machine.input.uint32())),
    "\x8c": (machine) => push(machine, text(machine, machine.input.byte())),
    "\x8d": (machine) => push(machine, text(machine, machine.input.uint64())),
    B: (machine) => push(machine, machine.input.take(machine.input.uint32())),
    C: (machine) => push(machine, machine.input.take(machine.input.byte())),
    "\x8e": (machine) => push(machine, machine.input.take(machine.input.uint64())),
    "\x96": (machine) => push(machine, machine.input.take(machine.input.uint64())),
    // Containers
    "]": (machine) => push(machine, newList(machine, [])),
    l: (machine) => push(machine, newList(machine, popToMark(machine))),
    a: (machine) => {
      const item = pop(machine);
      append(machine, top(machine), [item]);
    },
    e: (machine) => {
      const items = popToMark(machine);
      append(machine, top(machine), items);
    },
    ")": (machine) => push(machine, newTuple(machine, [])),
    "\x85": tupleOf(1),
    "\x86": tupleOf(2),
    "\x87": tupleOf(3),
    t: (machine) => push(machine, newTuple(machine, popToMark(machine))),
    "}": (machine) => push(machine, newMap(machine)),
    d: (machine) => {
      const items = popToMark(machine);
      const map = newMap(machine);
      setItems(machine, map, items);
      push(machine, map);
    },
    s: (machine) => {
      const value = pop(machine);
      const key = pop(machine);
      setItems(machine, top(machine), [key, value]);
    },
    u: (machine) => {
      const items = popToMark(machine);
      setItems(machine, top(machine), items);
    },
    "\x8f": (machine) => push(machine, newSet(machine, [])),
    "\x90": addItems,
    "\x91": (machine) => push(machine, newSet(machine, popToMark(machine))),
    // Stack and memory
    "(": (machine) => {
      machine.marks.push(machine.stack.length);
    },
    "0": (machine) => {
      if (machine.stack.length > 0 && machine.stack.length === machine.marks.at(-1)) machine.marks.pop();
      else pop(machine);
    },
    "1": (machine) => void popToMark(machine),
    "2": (machine) => push(machine, top(machine)),
    g: (machine) => get(machine, index(machine)),
    h: (machine) => get(machine, machine.input.byte()),
    j: (machine) => get(machine, machine.input.uint32()),
    p: (machine) => remember(machine, index(machine)),
    q: (machine) => remember(machine, machine.input.byte()),
    r: (machine) => remember(machine, machine.input.uint32()),
    "\x94": (machine) => remember(machine, machine.memo.size),
    // Names and calls
    c: (machine) => {
      const [module, name] = [line(machine), line(machine)];
      push(machine, global(machine, module, name));
    },
    "\x93": stackGlobal,
    i: instance,
    o: object,
    R: construct,
    "\x81": construct,
    "\x92": constructWithKeywords,
    b: build,
    P: (machine) => persistent(machine, line(machine)),
    Q: (machine) => persistent(machine, pop(machine)),
    "\x82": refused("the extension registry (EXT1)"),
    "\x83": refused("the extension registry (EXT2)"),
    "\x84": refused("the extension registry (EXT4)"),
    "\x97": refused("buffers outside of the pickle"),
    "\x98": refused("buffers outside of the pickle"),
    // Framing
    "\x80": protocol,
    // The length is checked and otherwise of no use: reading does not depend on frames.
    "\x95": (machine) => void machine.input.uint64(),
  } satisfies Record<string, Operation>).map(([letter, operation]) => [letter.charCodeAt(0), operation]),
);

/** A decimal float of protocol 0, as Python's `repr` gives it. */
function float(machine: Machine, digits: string): number {
  const word = digits.trim().toLowerCase();
  const special = /^([+-]?)(?:inf|infinity|nan)$/.exec(word);
  if (special !== null) return word.endsWith("nan") ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/.test(word) || word.length > 100)
    throw refusal(machine, "a number is malformed");
  return Number(word);
}
