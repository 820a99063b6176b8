import { PetalfaceError } from "../errors.ts";
import { random } from "../random.ts";
import { type Safetensors, type StoredTensor, toFloat32 } from "../tensors/portable.ts";
import { areaAxis, shrinkArea } from "./area.ts";
import { type BasisSum, basisSum } from "./basis-sum.ts";
import { bilinearAxis } from "./bilinear.ts";
import type { Pixels } from "./types.ts";

/**
 * Statistics of aligned faces from which synthetic people are drawn: a person is
 * `between @ n`, each photo adds `within @ m`, and pixels are `mean + coefficients @ basis`.
 */
export interface FaceSpace {
  /** Side in pixels of the faces that the space describes. */
  readonly side: number;
  /** Number of basis faces. */
  readonly rank: number;
  /** Mean face, H W C, 0..255. */
  readonly mean: Float32Array;
  /** Adds basis faces, `[rank, side * side * 3]`, which are to be multiplied by `basisScale`. */
  readonly addFaces: BasisSum;
  readonly basisScale: Float32Array;
  /** `[rank, rank]`: how people differ. */
  readonly between: Float32Array;
  /** `[rank, rank]`: how photos of one person differ. */
  readonly within: Float32Array;
  /**
   * Coefficients of the person drawn last, since photos of one person tend to be asked for
   * together.
   */
  readonly people: Map<string, Float32Array>;
  /** Faces drawn before, by their numbers and size: each epoch of a training asks for the same. */
  readonly drawn: { readonly faces: Map<string, Uint8Array>; bytes: number };
}

/** Which photo of which synthetic person; other seeds are other people. */
export interface FaceDraw {
  readonly seed: number;
  readonly person: number;
  readonly image: number;
}

const rememberedPeople = 64;
/** 445 faces of 112 px. */
const rememberedBytes = 2 ** 24;

/**
 * The face space that a safetensors file holds.
 *
 * @param name what error messages call the file
 * @throws PetalfaceError where a tensor is missing or has another shape
 */
export function faceSpaceOf({ tensors, metadata }: Safetensors, name: string): FaceSpace {
  const take = (key: string): StoredTensor => {
    const tensor = tensors.get(key);
    if (tensor === undefined)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is not a face space: it has no tensor "${key}"`);
    return tensor;
  };
  const side = Number(metadata.get("size"));
  const basis = take("basis");
  const rank = basis.shape[0] ?? 0;
  const shapes = { mean: [side * side * 3], basis_scale: [rank], between: [rank, rank], within: [rank, rank] };
  for (const [key, shape] of [...Object.entries(shapes), ["basis", [rank, side * side * 3]] as const]) {
    if (String(take(key).shape) !== String(shape)) {
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${name} is not a face space: "${key}" is [${take(key).shape}], not [${shape}]`,
      );
    }
  }
  if (!(basis.data instanceof Int8Array))
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is not a face space: "basis" is not I8`);
  return {
    side,
    rank,
    mean: toFloat32(take("mean")),
    addFaces: basisSum(basis.data, side * side * 3),
    basisScale: toFloat32(take("basis_scale")),
    between: toFloat32(take("between")),
    within: toFloat32(take("within")),
    people: new Map(),
    drawn: { faces: new Map(), bytes: 0 },
  };
}

/**
 * Draws one photo of one synthetic person: the same numbers always give the same face.
 *
 * @param size wanted side; faces are enlarged bilinear and rounded to 8 bits at the end
 */
export function drawFace(space: FaceSpace, draw: FaceDraw, size: number): Pixels {
  const { drawn } = space;
  const key = `${draw.seed}/${draw.person}/${draw.image}/${size}`;
  const known = drawn.faces.get(key);
  // A copy, which the caller may change.
  if (known !== undefined) return { width: size, height: size, data: known.slice() };
  const face = drawNew(space, draw, size);
  if (drawn.bytes + face.data.length > rememberedBytes) {
    drawn.faces.clear();
    drawn.bytes = 0;
  }
  drawn.faces.set(key, face.data.slice());
  drawn.bytes += face.data.length;
  return face;
}

function drawNew(space: FaceSpace, draw: FaceDraw, size: number): Pixels {
  const { rank, side, mean, addFaces, basisScale } = space;
  const coefficients = Float64Array.from(personOf(space, draw));
  addProduct(space.within, normals(rank, "photo", draw.seed, draw.person, draw.image), coefficients);
  for (let at = 0; at < rank; at++) coefficients[at] *= basisScale[at];
  const face = Float32Array.from(mean);
  addFaces(coefficients, face);
  for (let at = 0; at < face.length; at++) face[at] = Math.min(Math.max(face[at], 0), 255);
  if (size >= side) return enlarge(face, side, size);
  const axis = areaAxis(side, size);
  return shrinkArea(enlarge(face, side, side), axis, axis);
}

function personOf(space: FaceSpace, draw: FaceDraw): Float32Array {
  const key = `${draw.seed}/${draw.person}`;
  const known = space.people.get(key);
  if (known !== undefined) return known;
  const person = new Float32Array(space.rank);
  addProduct(space.between, normals(space.rank, "person", draw.seed, draw.person), person);
  if (space.people.size >= rememberedPeople) space.people.clear();
  space.people.set(key, person);
  return person;
}

function normals(count: number, ...seed: (string | number)[]): Float32Array {
  const stream = random("face", ...seed);
  return Float32Array.from({ length: count }, () => stream.normal());
}

/** `out += matrix @ vector`, matrix `[out.length, vector.length]`. */
function addProduct(matrix: Float32Array, vector: Float32Array, out: Float32Array | Float64Array): void {
  const columns = vector.length;
  for (let row = 0; row < out.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) {
      sum += matrix[row * columns + column] * vector[column];
    }
    out[row] += sum;
  }
}

/** Bilinear with half-pixel centres in floating point, rounded once at the end. */
function enlarge(face: Float32Array, side: number, size: number): Pixels {
  const { left, right, share } = bilinearAxis(side, size);
  const stride = size * 3;
  const lines = new Float32Array(side * stride);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < size; column++) {
      const a = (row * side + left[column]) * 3;
      const b = (row * side + right[column]) * 3;
      const weight = share[column];
      for (let channel = 0; channel < 3; channel++) {
        const start = face[a + channel];
        lines[row * stride + column * 3 + channel] = start + (face[b + channel] - start) * weight;
      }
    }
  }
  const data = new Uint8ClampedArray(size * stride);
  for (let row = 0; row < size; row++) {
    const upper = left[row] * stride;
    const lower = right[row] * stride;
    const weight = share[row];
    for (let at = 0; at < stride; at++) {
      const start = lines[upper + at];
      data[row * stride + at] = start + (lines[lower + at] - start) * weight;
    }
  }
  return { width: size, height: size, data: new Uint8Array(data.buffer) };
}
