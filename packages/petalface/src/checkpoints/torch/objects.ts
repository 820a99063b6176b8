import { itemAt } from "onnx-grad";
import { type Machine, refusal } from "../pickle/machine.ts";
import {
  isCount,
  isCounts,
  isObject,
  isTuple,
  type PickleGlobal,
  type PickleStorage,
  type PickleTensor,
  type PickleValue,
} from "../pickle/values.ts";
import { type Dtype, widthOf } from "../types.ts";

const storageTypes: ReadonlyMap<string, Dtype | undefined> = new Map<string, Dtype | undefined>([
  ["DoubleStorage", "float64"],
  ["FloatStorage", "float32"],
  ["HalfStorage", "float16"],
  ["BFloat16Storage", "bfloat16"],
  ["LongStorage", "int64"],
  ["IntStorage", "int32"],
  ["ShortStorage", "int16"],
  ["CharStorage", "int8"],
  ["ByteStorage", "uint8"],
  ["BoolStorage", "bool"],
  ["QInt8Storage", "int8"],
  ["QUInt8Storage", "uint8"],
  ["QInt32Storage", "int32"],
  ["UntypedStorage", undefined],
]);

const storageModules: ReadonlySet<string> = new Set(["torch", "torch.cuda", "torch.storage"]);

/**
 * The storage that a persistent id of PyTorch stands for: ("storage", type, key, device, number of
 * elements), and in old files (key of the view, first element, elements) for a storage that is a
 * piece of another one. The device is of no use here.
 */
export function storageOf(id: PickleValue, machine: Machine): PickleStorage {
  if (!isTuple(id) || id[0] !== "storage") throw refusal(machine, "it refers to something that is not a storage");
  const [, type, key, , count, view] = id;
  if (type === undefined || !isObject(type) || type.kind !== "global") throw refusal(machine, "a storage has no type");
  if (!storageModules.has(type.module) || !storageTypes.has(type.name))
    throw refusal(
      machine,
      `a storage has the unknown type ${JSON.stringify(`${type.module}.${type.name}`.slice(0, 120))}`,
    );
  if (typeof key !== "string" || !/^[0-9A-Za-z_.:-]{1,200}$/.test(key) || key.includes(".."))
    throw refusal(machine, `a storage has the malformed key ${JSON.stringify(String(key).slice(0, 120))}`);
  const dtype = storageTypes.get(type.name);
  const width = dtype === undefined ? 1 : widthOf[dtype];
  const recordLength = isCount(count) ? count * width : Number.NaN;
  if (!Number.isSafeInteger(recordLength)) throw refusal(machine, `storage ${key} claims ${count} elements`);
  if (view === undefined || view === null)
    return { kind: "storage", dtype, key, recordLength, start: 0, length: recordLength };
  const [, first, elements] = isTuple(view) ? view : [];
  if (!isCount(first) || !isCount(elements) || (first + elements) * width > recordLength)
    throw refusal(machine, `a piece of storage ${key} lies outside of it`);
  return { kind: "storage", dtype, key, recordLength, start: first * width, length: elements * width };
}

/** A strided view of a storage, checked: no element lies outside. */
function tensor(machine: Machine, args: readonly PickleValue[], dtype: Dtype | undefined): PickleTensor {
  const [storage, offset, shape, strides] = args;
  if (storage === undefined || !isObject(storage) || storage.kind !== "storage")
    throw refusal(machine, "a tensor has no storage");
  const type = dtype ?? storage.dtype;
  if (type === undefined) throw refusal(machine, "a tensor has no type");
  if (!isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length)
    throw refusal(machine, `a tensor of storage ${storage.key} has a malformed shape, stride or offset`);
  const elements = shape.reduce((product, side) => product * side, 1);
  const last = shape.reduce((sum, side, at) => sum + (side - 1) * itemAt(strides, at), offset);
  if (!Number.isSafeInteger(elements))
    throw refusal(machine, `a tensor of storage ${storage.key} claims [${shape}], more elements than can be`);
  const held = Math.floor(storage.length / widthOf[type]);
  if (elements > 0 && last >= held)
    throw refusal(
      machine,
      `a tensor of storage ${storage.key} ([${shape}], strides [${strides}], offset ${offset}) reaches element ${last} of ${held}`,
    );
  return { kind: "tensor", dtype: type, storage, offset, shape: [...shape], strides: [...strides], elements };
}

/**
 * What the numbers of a quantised tensor stand for: (scheme, scale, zero point), or (scheme,
 * scales, zero points, axis).
 */
function quantizerOf(machine: Machine, value: PickleValue | undefined, shape: readonly number[]) {
  const [scheme, scales, zeroPoints, axis] = isTuple(value) ? value : [];
  const name = scheme !== undefined && isObject(scheme) && scheme.kind === "global" ? scheme.name : "";
  if (name === "per_tensor_affine" && typeof scales === "number" && typeof zeroPoints === "number")
    return { scales, zeroPoints };
  const isChannels = (item: PickleValue | undefined): item is PickleTensor =>
    item !== undefined && isObject(item) && item.kind === "tensor" && item.elements === shape[Number(axis)];
  if (name === "per_channel_affine" && isCount(axis) && isChannels(scales) && isChannels(zeroPoints))
    return { scales, zeroPoints, axis };
  throw refusal(
    machine,
    `a quantised tensor has the unknown or malformed scheme ${JSON.stringify(name.slice(0, 120))}`,
  );
}

/**
 * Element types by PyTorch's name. Types that it adds and that are not here (float8, complex) are
 * refused by name.
 */
function dtypeOf(machine: Machine, value: PickleValue | undefined): Dtype {
  const name =
    value !== undefined && isObject(value) && value.kind === "global" && value.module === "torch" ? value.name : "";
  if (!Object.hasOwn(widthOf, name))
    throw refusal(machine, `a tensor has the unknown type ${JSON.stringify(name.slice(0, 120))}`);
  return name as Dtype;
}

/** What rebuilds tensors; undefined for everything else. */
export function callTorch(
  callee: PickleGlobal,
  args: readonly PickleValue[],
  machine: Machine,
): PickleValue | undefined {
  if (callee.module !== "torch._utils") return undefined;
  switch (callee.name) {
    case "_rebuild_tensor":
    case "_rebuild_tensor_v2":
      return tensor(machine, args, undefined);
    case "_rebuild_qtensor": {
      const numbers = tensor(machine, args, undefined);
      return { ...numbers, quantizer: quantizerOf(machine, args[4], numbers.shape) };
    }
    case "_rebuild_tensor_v3":
      return tensor(machine, args, dtypeOf(machine, args[6]));
    case "_rebuild_parameter":
    case "_rebuild_parameter_with_state": {
      const [value] = args;
      if (value === undefined || !isObject(value) || value.kind !== "tensor")
        throw refusal(machine, "a parameter is made from something other than a tensor");
      return value;
    }
    default:
      return undefined;
  }
}
