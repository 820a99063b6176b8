import { PetalfaceError } from "../errors.ts";
import { hasNonFinite } from "./convert.ts";
import { quote } from "./pickle/machine.ts";
import { newReading, streamTensor } from "./read.ts";
import type { Checkpoint, CheckpointTensor } from "./types.ts";

/**
 * Streams of tensors as float32 in a few megabytes of memory for all of them together, to be read
 * one after the other, each piece before the next is asked for. A tensor that holds an infinity or
 * NaN is refused.
 *
 * @returns by the names that they were given
 */
export function streamWeights(
  checkpoint: Checkpoint,
  tensors: Iterable<readonly [string, CheckpointTensor]>,
): Map<string, () => AsyncGenerator<Uint8Array>> {
  const reading = newReading();
  async function* stream(name: string, tensor: CheckpointTensor): AsyncGenerator<Uint8Array> {
    for await (const piece of streamTensor(checkpoint, tensor, reading)) {
      if (hasNonFinite(piece))
        throw new PetalfaceError(
          "PETAL_NOT_FINITE",
          `${checkpoint.path}: tensor ${quote(name)} holds infinities or NaN; such a model cannot work`,
        );
      yield piece;
    }
  }
  return new Map([...tensors].map(([name, tensor]) => [name, () => stream(name, tensor)]));
}
