import type { Dtype } from "../types.ts";
import { type Machine, refusal, spend } from "./machine.ts";
import { integer } from "./opcodes.ts";
import {
  isCounts,
  isObject,
  isTuple,
  type PickleArray,
  type PickleGlobal,
  type PickleNumpyType,
  type PickleObject,
  type PickleValue,
} from "./values.ts";

/** NumPy's codes in PyTorch's words. */
export const numpyTypes: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ["f8", "float64"],
  ["f4", "float32"],
  ["f2", "float16"],
  ["i8", "int64"],
  ["i4", "int32"],
  ["i2", "int16"],
  ["i1", "int8"],
  ["u8", "uint64"],
  ["u4", "uint32"],
  ["u2", "uint16"],
  ["u1", "uint8"],
  ["b1", "bool"],
]);

/** Text that Python 2 may have written as bytes. */
function textOf(value: PickleValue | undefined): string | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
  return typeof value === "string" ? value : undefined;
}

/** The reverse: bytes that were taken for text of Python 2. */
function bytesOf(value: PickleValue | undefined, machine: Machine): Uint8Array | undefined {
  if (typeof value !== "string") return value instanceof Uint8Array ? value : undefined;
  spend(machine, "bytes", value.length);
  return new Uint8Array(Buffer.from(value, "utf8"));
}

function typeOf(value: PickleValue | undefined): PickleNumpyType | undefined {
  return value !== undefined && isObject(value) && value.kind === "numpy-type" ? value : undefined;
}

function fill(array: PickleArray, parts: readonly (PickleValue | undefined)[], machine: Machine): void {
  const [shape, typeValue, fortran, data] = parts;
  const type = typeOf(typeValue);
  const bytes = bytesOf(data, machine);
  if (type === undefined || bytes === undefined || !isCounts(shape))
    throw refusal(machine, "an array of NumPy is malformed, or holds Python objects");
  const needed = shape.reduce((product, side) => product * side, Number(type.code.slice(1)));
  if (needed !== bytes.length)
    throw refusal(machine, `an array of NumPy needs ${needed} bytes and has ${bytes.length}`);
  Object.assign(array, { type, shape, fortran: fortran === true || fortran === "F", data: bytes });
}

function newArray(machine: Machine): PickleArray {
  spend(machine, "containers", 1);
  return {
    kind: "array",
    type: { kind: "numpy-type", code: "u1", bigEndian: false },
    shape: [0],
    fortran: false,
    data: new Uint8Array(),
  };
}

function newType([codeValue]: readonly PickleValue[], machine: Machine): PickleValue {
  const written = textOf(codeValue);
  const code = written?.replace(/^[<>=|]/, "");
  if (written === undefined || code === undefined || !numpyTypes.has(code))
    throw refusal(machine, `arrays of NumPy of type ${JSON.stringify(written ?? null)} are not read`);
  spend(machine, "containers", 1);
  return { kind: "numpy-type", code, bigEndian: written.startsWith(">") };
}

/** A number, from an array's element. */
function scalar([typeValue, data]: readonly PickleValue[], machine: Machine): PickleValue {
  const type = typeOf(typeValue);
  const bytes = bytesOf(data, machine);
  if (type === undefined || bytes === undefined || bytes.length !== Number(type.code.slice(1)))
    throw refusal(machine, "a number of NumPy is malformed");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !type.bigEndian;
  switch (type.code) {
    case "f8":
      return view.getFloat64(0, little);
    case "f4":
      return view.getFloat32(0, little);
    case "i8":
      return integer(view.getBigInt64(0, little));
    case "u8":
      return integer(view.getBigUint64(0, little));
    case "i4":
      return view.getInt32(0, little);
    case "u4":
      return view.getUint32(0, little);
    case "i2":
      return view.getInt16(0, little);
    case "u2":
      return view.getUint16(0, little);
    case "i1":
      return view.getInt8(0);
    case "u1":
      return view.getUint8(0);
    case "b1":
      return view.getUint8(0) !== 0;
    default:
      throw refusal(machine, `a single number of NumPy's type ${type.code} is not read`);
  }
}

/**
 * NumPy's arrays, types and numbers, under its old and its new module names; undefined for
 * everything else.
 */
export function callNumpy(
  callee: PickleGlobal,
  args: readonly PickleValue[],
  machine: Machine,
): PickleValue | undefined {
  const name = `${callee.module.replace(/^numpy\._core\./, "numpy.core.")} ${callee.name}`;
  if (name === "numpy.core.multiarray _reconstruct") return newArray(machine);
  if (name === "numpy.core.multiarray scalar") return scalar(args, machine);
  if (name === "numpy dtype") return newType(args, machine);
  if (name !== "numpy.core.numeric _frombuffer") return undefined;
  const [data, type, shape, order] = args;
  const array = newArray(machine);
  fill(array, [shape, type, order, data], machine);
  return array;
}

/**
 * The state of an array (version, shape, type, order, bytes) or of a type (version, byte order,
 * ...).
 */
export function setNumpyState(target: PickleObject, state: PickleValue, machine: Machine): boolean {
  if (!isTuple(state)) return false;
  if (target.kind === "array") fill(target, state.slice(1), machine);
  else if (target.kind === "numpy-type") target.bigEndian = textOf(state[1]) === ">";
  else return false;
  return true;
}
