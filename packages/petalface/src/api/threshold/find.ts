import { stat } from "node:fs/promises";
import { join } from "node:path";
import { adapterHash } from "../../adapters/index.ts";
import { measureThresholds, type Thresholds } from "../../deploy/index.ts";
import { writeFileSafely } from "../../files.ts";
import type { CacheOptions } from "../cache.ts";
import { type LeftOutOptions, openFaces } from "../data.ts";
import { openPairs } from "../evaluate/protocol.ts";
import { type StoredThresholds, thresholdsFile } from "../export/thresholds.ts";
import { engineOf, type ModelOptions, openModel } from "../model.ts";
import { claimOutputs } from "../outputs.ts";
import type { Surroundings } from "../surroundings.ts";
import { compareAll, comparePairs } from "./compare.ts";
import { comparedFaces, embedAll } from "./embed.ts";

/** Which model to find thresholds for, and on what. */
export interface ThresholdRequest extends ModelOptions, CacheOptions, LeftOutOptions {
  /** Faces of known people. */
  readonly data: string;
  /** A list of pairs; all faces are compared with each other unless given. */
  readonly protocol?: string | undefined;
  /** False-accept rates, in (0, 1). */
  readonly far: readonly number[];
  /** Resamples of the bootstrap over people, and its seed. */
  readonly resamples: number;
  readonly seed: number;
  /** JSON file to write; that of the adapter's run unless given. */
  readonly out?: string | undefined;
}

/** Thresholds, and where they were written. */
export interface FoundThresholds {
  readonly thresholds: Thresholds;
  /** With what they belong to. */
  readonly stored: StoredThresholds;
  readonly out: string | undefined;
}

/** Finds thresholds for some false-accept rates: `petalface threshold`. Throws PetalfaceError. */
export async function findOperatingPoints(
  request: ThresholdRequest,
  surroundings: Surroundings,
): Promise<FoundThresholds> {
  const out = request.out ?? (await runFile(request.adapter));
  const inputs = [request.data, request.protocol, request.model];
  await using _outputs = await claimOutputs([out], surroundings, { inputs });
  const opened = await openModel(request);
  const { backbone, adapter } = opened;
  const whole = await openFaces(request.data, request, surroundings);
  const protocol = request.protocol === undefined ? undefined : await openPairs(request.protocol, {}, whole);
  const data = protocol === undefined ? comparedFaces(whole) : whole;
  if (data.length < whole.length)
    surroundings.note(`${data.length} of ${whole.length} faces are compared, taken evenly`);
  const faces = await embedAll(data, opened, engineOf(request), request, surroundings);
  const comparisons = protocol === undefined ? compareAll(faces) : comparePairs(faces, protocol);
  const people = protocol === undefined ? data.people.length : protocol.people.length;
  const bootstrap = { resamples: request.resamples, seed: request.seed };
  const measured = measureThresholds(comparisons, people, request.far, bootstrap, adapter !== undefined);
  const thresholds: Thresholds = {
    format: 1,
    data: protocol === undefined ? data.spec : `${data.spec}, ${protocol.name}`,
    people,
    faces: protocol === undefined ? data.length - faces.left.size : protocol.images.length,
    ...measured,
  };
  const stored: StoredThresholds = {
    ...thresholds,
    model: backbone.spec.sha256,
    adapter: adapter === undefined ? null : adapterHash(adapter),
  };
  if (out !== undefined) await writeFileSafely(out, `${JSON.stringify(stored, null, 2)}\n`);
  return { thresholds, stored, out };
}

/** Where the thresholds of a run are kept; undefined for an adapter without a run, or none. */
async function runFile(adapter: string | undefined): Promise<string | undefined> {
  if (adapter === undefined) return undefined;
  const isRun = await stat(join(adapter, "run.json")).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return isRun ? join(adapter, thresholdsFile) : undefined;
}
