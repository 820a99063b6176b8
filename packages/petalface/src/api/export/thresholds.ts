import { join } from "node:path";
import { type Adapter, adapterHash } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import { type Thresholds, thresholdsIn, thresholdsKey } from "../../deploy/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { readGivenFile } from "../../files.ts";
import type { Surroundings } from "../surroundings.ts";

/** Name of the thresholds in a run's folder. */
export const thresholdsFile = "thresholds.json";

/** Thresholds as `petalface threshold` writes them: with what they belong to. */
export interface StoredThresholds extends Thresholds {
  /** SHA-256 of the frozen model. */
  readonly model: string;
  /** Hash of the adapter's configuration and numbers; null for the frozen model. */
  readonly adapter: string | null;
}

/**
 * The thresholds that belong to a model: of a file, or of the adapter's run. Those of a run that
 * belong to other weights are left out with a note.
 *
 * @throws PetalfaceError where a named file is none, or belongs to another model or adapter
 */
export async function findThresholds(
  { file, run }: { readonly file: string | undefined; readonly run: string | undefined },
  backbone: Backbone,
  adapter: Adapter | undefined,
  context: Pick<Surroundings, "note">,
): Promise<Thresholds | undefined> {
  const path = file ?? (run === undefined ? undefined : join(run, thresholdsFile));
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = (await readGivenFile(path)).toString();
  } catch (cause) {
    if (file === undefined) return undefined;
    throw new PetalfaceError("PETAL_RESULT_INVALID", `${path}: cannot be read; write it with \`petalface threshold\``, {
      cause,
    });
  }
  const stored = thresholdsIn(new Map([[thresholdsKey, text]])) && (JSON.parse(text) as StoredThresholds);
  const problem = problemOf(stored, backbone, adapter);
  if (problem === undefined && stored !== undefined) {
    // Who reads an exported file needs its thresholds; the curves would be most of its metadata.
    const { model: _, adapter: __, curve: ___, ranges, ...thresholds } = stored;
    return { ...thresholds, ranges: ranges.map(({ name, thresholds: own }) => ({ name, thresholds: own })) };
  }
  if (file !== undefined)
    throw new PetalfaceError("PETAL_RESULT_INVALID", `${path}: ${problem}; measure again with \`petalface threshold\``);
  context.note(`${path} is not carried along: ${problem}`);
  return undefined;
}

function problemOf(
  stored: StoredThresholds | undefined,
  backbone: Backbone,
  adapter: Adapter | undefined,
): string | undefined {
  if (stored === undefined) return "it holds no thresholds";
  if (stored.model !== backbone.spec.sha256) return "it was measured with another model";
  if (stored.adapter !== (adapter === undefined ? null : adapterHash(adapter)))
    return "it was measured with another adapter";
  return undefined;
}
