import { join } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { encodeSafetensors, readSafetensors, type StoredTensor } from "../tensors/index.ts";
import type { Moments } from "./adamw.ts";
import type { Head } from "./head.ts";

/** Everything that changes during training. */
export interface TrainingState {
  /** Steps done. */
  step: number;
  readonly theta: Float32Array;
  readonly moments: Moments;
  readonly head: Head | undefined;
}

const stateFile = (folder: string): string => join(folder, "checkpoint", "state.safetensors");

const vectorsOf = (state: TrainingState): [string, Float32Array][] => [
  ["theta", state.theta],
  ["theta.first", state.moments.first],
  ["theta.second", state.moments.second],
  ...(state.head === undefined
    ? []
    : ([
        ["head", state.head.values],
        ["head.first", state.head.moments.first],
        ["head.second", state.head.moments.second],
      ] as [string, Float32Array][])),
];

/** Saves the state of a run as one file, in one rename. */
export async function saveState(folder: string, state: TrainingState): Promise<void> {
  const tensors = vectorsOf(state).map(([name, data]): [string, StoredTensor] => [
    name,
    { dtype: "F32", shape: [data.length], data: Float32Array.from(data) },
  ]);
  await writeFileSafely(stateFile(folder), encodeSafetensors(tensors, { step: String(state.step) }));
}

/** Fills `state` from the run's checkpoint. Throws PetalfaceError if there is none or it does not fit the run. */
export async function restoreState(folder: string, state: TrainingState): Promise<void> {
  const path = stateFile(folder);
  const { tensors, metadata } = await readSafetensors(path);
  const step = Number(metadata.get("step"));
  if (!Number.isInteger(step) || step < 0) throw new PetalfaceError(`${path}: it does not say which step it is from`);
  for (const [name, values] of vectorsOf(state)) {
    const stored = tensors.get(name);
    if (stored === undefined || !(stored.data instanceof Float32Array) || stored.data.length !== values.length)
      throw new PetalfaceError(`${path}: "${name}" does not fit this run; it was made with other options`);
    values.set(stored.data);
  }
  state.step = step;
}
