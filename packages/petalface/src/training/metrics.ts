import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileSafely } from "../files.ts";

/** One line of `metrics.jsonl`. */
export interface StepRecord {
  /** Steps done, this one included. */
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  /** L2 norm of theta's gradient before clipping. */
  readonly gradientNorm: number;
  /** Mean alpha of the batch. */
  readonly alpha: number;
}

const metricsFile = (folder: string): string => join(folder, "metrics.jsonl");

/** Appends lines to the run's `metrics.jsonl`. */
export async function appendMetrics(folder: string, records: readonly StepRecord[]): Promise<void> {
  if (records.length > 0)
    await appendFile(metricsFile(folder), records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** Drops the lines past `step` (and a torn last one), so that a resumed run's file reads as if it had never stopped. */
export async function rewindMetrics(folder: string, step: number): Promise<void> {
  const text = await readFile(metricsFile(folder), "utf8").catch(() => "");
  const kept = text.split("\n").filter((line) => {
    try {
      return (JSON.parse(line) as StepRecord).step <= step;
    } catch {
      return false;
    }
  });
  await writeFileSafely(metricsFile(folder), kept.map((line) => `${line}\n`).join(""));
}
