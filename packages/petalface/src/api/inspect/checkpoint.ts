import { detectArchitecture } from "../../backbones/index.ts";
import { type Checkpoint, familiesOf, openCheckpoint, type TensorGroup } from "../../checkpoints/index.ts";
import { PetalfaceError } from "../../errors.ts";

/** A file of named tensors by its listing. */
export interface CheckpointInspection {
  readonly kind: "checkpoint";
  readonly path: string;
  readonly checkpoint: Checkpoint;
  /** The dictionary with the most tensors; undefined where there is none. */
  readonly largest: TensorGroup | undefined;
  /** Whose names the tensors of the largest have. */
  readonly families: ReturnType<typeof familiesOf>;
  /** What `petalface import` takes it as, or why its shapes do not say. */
  readonly network: { readonly arch?: string; readonly reason?: string };
}

/**
 * Describes a file of named tensors by its listing: the numbers are not read, and nothing in the
 * file is run. Throws PetalfaceError.
 */
export async function inspectCheckpoint(path: string): Promise<CheckpointInspection> {
  const checkpoint = await openCheckpoint(path);
  const largest = checkpoint.groups.reduce<TensorGroup | undefined>(
    (best, group) => (best === undefined || group.tensors.size > best.tensors.size ? group : best),
    undefined,
  );
  const families = largest === undefined ? [] : familiesOf(largest);
  const network = networkOf(checkpoint, families.length > 0);
  return { kind: "checkpoint", path, checkpoint, largest, families, network };
}

/**
 * `--arch` of the network inside, or why its shapes do not say; neither where no names are known.
 */
function networkOf(checkpoint: Checkpoint, isKnown: boolean): { readonly arch?: string; readonly reason?: string } {
  if (!isKnown) return {};
  try {
    return { arch: detectArchitecture(checkpoint) };
  } catch (error) {
    if (!(error instanceof PetalfaceError)) throw error;
    return { reason: error.message };
  }
}
