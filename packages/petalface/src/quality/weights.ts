import { createHash } from "node:crypto";
import { PetalfaceError } from "../errors.ts";

/** One float32 tensor of a quality measure. */
export interface QualityTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The weights of a quality measure that has some; they travel with the adapter. */
export interface QualityWeights {
  /** Hex, over names, dimensions and numbers. */
  readonly sha256: string;
  readonly tensors: ReadonlyMap<string, QualityTensor>;
}

/** Names tensors as one set of weights. */
export function qualityWeights(tensors: ReadonlyMap<string, QualityTensor>): QualityWeights {
  const hash = createHash("sha256");
  for (const [name, { dims, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, dims]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return { sha256: hash.digest("hex"), tensors };
}

/**
 * Throws PetalfaceError unless the tensors are those that a measure needs, by name and dimensions,
 * all numbers finite. -1: any length, but the same everywhere.
 */
export function requireTensors(
  where: string,
  { tensors }: QualityWeights,
  needed: Readonly<Record<string, readonly number[]>>,
): void {
  let free = -1;
  for (const [name, dims] of Object.entries(needed)) {
    const tensor = tensors.get(name);
    const fits = tensor?.dims.every((dim, i) => {
      if (dims[i] !== -1) return dim === dims[i];
      if (free === -1) free = dim;
      return dim === free && dim > 0;
    });
    if (tensor === undefined || !fits || tensor.dims.length !== dims.length)
      throw new PetalfaceError(
        "PETAL_QUALITY_UNFIT",
        `${where}: tensor "${name}" ${tensor === undefined ? "is missing" : `is [${tensor.dims}]`}; expected [${dims.map((dim) => (dim === -1 ? "any" : dim))}]`,
      );
    if (!tensor.data.every(Number.isFinite))
      throw new PetalfaceError("PETAL_NOT_FINITE", `${where}: tensor "${name}" holds numbers that are not finite`);
  }
}
