import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AdapterConfig } from "../../adapters/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { isUnfinished, makeFolder, writeFileSafely } from "../../files.ts";
import { lockName } from "../../lock.ts";
import type { Preprocessing } from "../../models/index.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import type { SetFindings } from "../../quality/index.ts";
import { type TrainingOptions, trainingOptions } from "../options/options.ts";
import type { Places } from "./places.ts";
import type { ValidationRequest, ValidationScore } from "./validation.ts";

/** Content of a run's `run.json`: everything that makes the run what it is. */
export interface RunRecord {
  readonly format: 1;
  readonly options: TrainingOptions;
  readonly model: {
    readonly given: string;
    readonly normalize?: string | undefined;
    readonly name: string;
    readonly sha256: string;
    /** How faces were fed to it, where nothing said so and it was assumed. */
    readonly assumed?: Preprocessing | undefined;
    /** Of a network that was imported. */
    readonly family?: string | undefined;
  };
  readonly data: {
    readonly spec: string;
    readonly fingerprint: string;
    readonly images: number;
    readonly people: number;
    /** SHA-256 of the scores that came with the faces, where quality is `external`. */
    readonly scores?: string | undefined;
    /** The kind of faces that was found, where alpha's range was fitted on them. */
    readonly set?: SetFindings | undefined;
  };
  /** Everything about the adapter but the numbers of its quality measure, which are stored next to it. */
  readonly adapter: Omit<AdapterConfig, "weights">;
  readonly steps: number;
  /** What the run is validated on, if anything. */
  readonly validation?: (ValidationRequest & { readonly measure: string; readonly fingerprint: string }) | undefined;
  /** Where model, data, validation and weights of the quality measure were when the run was started; absent in older runs. */
  readonly places?: Places | undefined;
  /** What a resumed run was given instead of what was before, and from which step on. */
  readonly changes?: readonly RunChange[] | undefined;
  /** Once a run with a validation protocol has ended: its last step, and where the adapter that was kept is from. */
  readonly result?: { readonly steps: number; readonly best: ValidationScore & { readonly step: number } } | undefined;
  readonly trained: { readonly parameters: number; readonly share: number };
  readonly machine: { readonly threads: number; readonly provider: string };
  readonly versions: Readonly<Record<string, string>>;
}

/** A change of a run that went on. */
export interface RunChange {
  readonly step: number;
  readonly learningRate: number;
  /** Where the number of epochs changed. */
  readonly epochs?: number | undefined;
  /** Whether the run has the bits of one that was planned with so many epochs from the beginning. */
  readonly asPlanned?: boolean | undefined;
}

const runFile = (folder: string): string => join(folder, "run.json");

/** Makes the folder of a new run. Throws PetalfaceError if that cannot be. */
export async function makeRunFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
  } catch (error) {
    if (!(error instanceof PetalfaceError)) throw error;
    throw new PetalfaceError(error.message.replace("cannot write", "cannot make the run folder"), { cause: error });
  }
}

/** Whether a new run's folder may hold an entry of this name: its lock, unfinished writes, and the faces that were aligned for it. */
export const mayBeginWith = (name: string): boolean =>
  name.startsWith(lockName) || name === "aligned" || isUnfinished(name);

/** Throws PetalfaceError if the folder holds anything that a new run's may not. */
export async function requireEmpty(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (!names.every(mayBeginWith))
    throw new PetalfaceError(`${folder} is not empty; give another --out, or continue it with --resume ${folder}`);
}

/** Writes `run.json`. */
export const writeRun = (folder: string, record: RunRecord): Promise<void> =>
  writeFileSafely(runFile(folder), `${JSON.stringify(record, null, 2)}\n`);

/** Reads `run.json`. Throws PetalfaceError if the folder is not a run. */
export async function readRun(folder: string): Promise<RunRecord> {
  let text: string;
  try {
    text = await readFile(runFile(folder), "utf8");
  } catch {
    throw new PetalfaceError(`${folder} is not a run: it has no run.json`);
  }
  refusePlaceholder(text, runFile(folder));
  try {
    const record = JSON.parse(text) as RunRecord;
    if (record.format !== 1) throw new Error(`format ${JSON.stringify(record.format)} is not known`);
    return { ...record, options: trainingOptions(record.options) };
  } catch (error) {
    throw new PetalfaceError(`${runFile(folder)}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
