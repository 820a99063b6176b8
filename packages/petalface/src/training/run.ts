import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AdapterConfig } from "../adapters/index.ts";
import { PetalfaceError } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { type TrainingOptions, trainingOptions } from "./options.ts";

/** Content of a run's `run.json`: everything that makes the run what it is. */
export interface RunRecord {
  readonly format: 1;
  readonly options: TrainingOptions;
  readonly model: {
    readonly given: string;
    readonly normalize?: string | undefined;
    readonly name: string;
    readonly sha256: string;
  };
  readonly data: {
    readonly spec: string;
    readonly fingerprint: string;
    readonly images: number;
    readonly people: number;
  };
  readonly adapter: AdapterConfig;
  readonly steps: number;
  readonly trained: { readonly parameters: number; readonly share: number };
  readonly machine: { readonly threads: number; readonly provider: string };
  readonly versions: Readonly<Record<string, string>>;
}

const runFile = (folder: string): string => join(folder, "run.json");

/** Makes the folder of a new run. Throws PetalfaceError if it holds anything already. */
export async function createRun(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0)
      throw new PetalfaceError(`${folder} is not empty; give another --out, or continue it with --resume ${folder}`);
  } catch (error) {
    if (error instanceof PetalfaceError) throw error;
    throw new PetalfaceError(
      `cannot make the run folder ${folder}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Writes `run.json`. */
export const writeRun = (folder: string, record: RunRecord): Promise<void> =>
  writeFileSafely(runFile(folder), `${JSON.stringify(record, null, 2)}\n`);

/** Reads `run.json`. Throws PetalfaceError if the folder is no run. */
export async function readRun(folder: string): Promise<RunRecord> {
  let text: string;
  try {
    text = await readFile(runFile(folder), "utf8");
  } catch {
    throw new PetalfaceError(`${folder} is no run: it has no run.json`);
  }
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
