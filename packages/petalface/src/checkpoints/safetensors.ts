import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { locateSafetensorsHeader, parseSafetensorsHeader } from "../tensors/index.ts";
import { type OpenFile, readPart } from "./file.ts";
import type { CheckpointTensor, Dtype } from "./types.ts";

const dtypes: Readonly<Record<string, Dtype>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U64: "uint64",
  U32: "uint32",
  U16: "uint16",
  U8: "uint8",
  BOOL: "bool",
};

/** Lists a safetensors file: its header is read, its data are not. */
export async function listSafetensors(
  file: OpenFile,
): Promise<{ readonly tensors: Map<string, CheckpointTensor>; readonly metadata: Map<string, string> }> {
  const first = await readPart(file, 0, Math.min(512, file.size));
  refusePlaceholder(first, file.path);
  const { start, length } = locateSafetensorsHeader(first, file.size, file.path);
  const { entries, metadata } = parseSafetensorsHeader(await readPart(file, 8, start - 8), length, file.path);
  const tensors = new Map<string, CheckpointTensor>();
  for (const { key, dtype, shape, begin, end } of entries) {
    const elements = shape.reduce((product, side) => product * side, 1);
    const known = dtypes[dtype];
    if (known === undefined)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_UNSUPPORTED",
        `${file.path}: tensor ${JSON.stringify(key)} has the type ${dtype}`,
      );
    const storage = { file: file.path, offset: start + begin, length: end - begin, littleEndian: true };
    tensors.set(key, { name: key, dtype: known, shape, strides: rowMajor(shape), offset: 0, elements, storage });
  }
  return { tensors, metadata };
}

/** Strides of a tensor whose last side lies together. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let at = shape.length - 1; at >= 0; at--) {
    strides[at] = step;
    step *= itemAt(shape, at);
  }
  return strides;
}
