import { access } from "node:fs/promises";
import { endianness } from "node:os";
import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { writePiecesSafely } from "../../files.ts";
import { alone, collect, type Ranks } from "../../ranks.ts";
import { readSafetensors, type StoredTensor, safetensorsHead } from "../../tensors/index.ts";
import type { Moments } from "../optimiser/moments.ts";
import type { ValidationState } from "../run/validation.ts";
import { type Head, partLengths } from "./head.ts";

/** Everything that changes during training. */
export interface TrainingState {
  /** Steps done. */
  step: number;
  readonly theta: Float32Array;
  readonly moments: Moments;
  readonly head: Head | undefined;
  /** What the loss keeps from step to step; empty for most. */
  lossState: Float32Array;
  /** Running statistics of the batch normalisations that train; empty where they are frozen. */
  statistics: Float32Array;
  /** Present in runs with a validation protocol. */
  readonly validation: ValidationState | undefined;
}

/** Sizes that a run's state must have. */
export interface StateShape {
  readonly parameters: number;
  readonly optimizer: "adamw" | "sgd";
  /** Classes and width of the head; undefined without one. */
  readonly head: { readonly classes: number; readonly width: number } | undefined;
  /** Numbers that the loss keeps, and running statistics; none unless given. */
  readonly lossState?: number;
  readonly statistics?: number;
  readonly validates: boolean;
}

const stateFile = (folder: string): string => join(folder, "checkpoint", "state.safetensors");

/** One of a state's vectors, of which this rank may hold a part. */
interface Vector {
  readonly name: string;
  readonly values: Float32Array;
  /** Numbers that each rank holds of it; undefined where all hold all. */
  readonly lengths?: readonly number[];
}

/** A vector that is left out where there is nothing in it. */
const present = (name: string, values: Float32Array | undefined): Vector[] =>
  values === undefined || values.length === 0 ? [] : [{ name, values }];

/** Numbers of a head that each rank holds. */
export const headLengths = ({ classes, width }: Pick<Head, "classes" | "width">, ranks: number): number[] =>
  partLengths(classes, ranks).map((rows) => rows * width);

const vectorsOf = (state: TrainingState, ranks: number): Vector[] => {
  const parts = (name: string, values: Float32Array, moments: Moments, lengths?: readonly number[]): Vector[] => [
    { name, values, ...(lengths && { lengths }) },
    { name: `${name}.first`, values: moments.first, ...(lengths && { lengths }) },
    {
      name: `${name}.second`,
      values: moments.second,
      ...(lengths && { lengths: moments.second.length === 0 ? lengths.map(() => 0) : lengths }),
    },
  ];
  const { head, validation, lossState, statistics } = state;
  return [
    ...parts("theta", state.theta, state.moments),
    ...(head === undefined ? [] : parts("head", head.values, head.moments, headLengths(head, ranks))),
    ...present("best", validation?.theta),
    ...present("loss", lossState),
    ...present("statistics", statistics),
    ...present("best.statistics", validation?.statistics),
  ];
};

/**
 * Saves the state of a run as one safetensors file, in one rename. The vectors are written from
 * where they are: no copy in memory, and the caller must not change them meanwhile. Of several
 * ranks all must call it, and rank 0 writes; the parts of the others pass through it.
 */
export async function saveState(folder: string, state: TrainingState, ranks: Ranks = alone): Promise<void> {
  const { validation } = state;
  const vectors = vectorsOf(state, ranks.count);
  const pieces = ({ values, lengths = [values.length] }: Vector): AsyncIterable<Float32Array> =>
    collect(lengths.length > 1 ? ranks : alone, values, lengths);
  if (ranks.rank > 0) {
    // Their pieces leave as they are asked for.
    for (const vector of vectors) if (vector.lengths !== undefined) for await (const _ of pieces(vector));
    return;
  }
  const metadata = {
    step: String(state.step),
    ...(validation && {
      validation: JSON.stringify({ last: validation.last, waited: validation.waited, best: validation.best }),
    }),
  };
  const planned = vectors.map(({ name, values, lengths = [values.length] }) => {
    const length = lengths.reduce((sum, part) => sum + part, 0);
    return [name, { dtype: "F32", shape: [length], length: 4 * length }] as const;
  });
  const head = safetensorsHead(planned, { metadata });
  async function* content(): AsyncGenerator<Uint8Array> {
    yield head;
    for (const vector of vectors) for await (const piece of pieces(vector)) yield littleEndian(piece);
  }
  await writePiecesSafely(stateFile(folder), content());
}

/** Whether the run has a checkpoint. A run that was killed before its first step has none. */
export const hasState = (folder: string): Promise<boolean> =>
  access(stateFile(folder)).then(
    () => true,
    () => false,
  );

/**
 * Reads the run's checkpoint; its vectors lie in the file's own memory. Throws PetalfaceError if it
 * does not fit the run.
 */
export async function loadState(folder: string, shape: StateShape): Promise<TrainingState> {
  const path = stateFile(folder);
  const { tensors, metadata } = await readSafetensors(path);
  const step = Number(metadata.get("step"));
  if (!Number.isInteger(step) || step < 0)
    throw new PetalfaceError("PETAL_RUN_DAMAGED", `${path}: it does not say which step it is from`);
  const floats = (name: string, length: number): Float32Array => {
    if (length === 0 && !tensors.has(name)) return new Float32Array(0);
    const stored: StoredTensor | undefined = tensors.get(name);
    if (stored === undefined || !(stored.data instanceof Float32Array) || stored.data.length !== length)
      throw new PetalfaceError(
        "PETAL_RUN_DAMAGED",
        `${path}: "${name}" does not fit this run; it was made with other options`,
      );
    return stored.data;
  };
  const momentsOf = (name: string, length: number): Moments => ({
    first: floats(`${name}.first`, length),
    second: floats(`${name}.second`, shape.optimizer === "adamw" ? length : 0),
  });
  const numbers = shape.head === undefined ? 0 : shape.head.classes * shape.head.width;
  return {
    step,
    theta: floats("theta", shape.parameters),
    moments: momentsOf("theta", shape.parameters),
    head: shape.head && {
      ...shape.head,
      first: 0,
      values: floats("head", numbers),
      moments: momentsOf("head", numbers),
    },
    lossState: floats("loss", shape.lossState ?? 0),
    statistics: floats("statistics", shape.statistics ?? 0),
    validation: shape.validates
      ? {
          ...parseValidation(metadata.get("validation"), path),
          theta: floats("best", shape.parameters),
          statistics: floats("best.statistics", shape.statistics ?? 0),
        }
      : undefined,
  };
}

function parseValidation(text: string | undefined, path: string): Omit<ValidationState, "theta" | "statistics"> {
  try {
    const { last, waited, best } = JSON.parse(text ?? "") as ValidationState;
    if (Number.isInteger(last) && Number.isInteger(waited)) return { last, waited, best };
  } catch {}
  throw new PetalfaceError("PETAL_RUN_DAMAGED", `${path}: what it says of the validation is not understood`);
}

/**
 * The bytes of a vector as the format wants them: shared on a little-endian machine, else a swapped
 * copy.
 */
function littleEndian(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (endianness() === "LE") return bytes;
  return new Uint8Array(Buffer.from(bytes).swap32());
}
