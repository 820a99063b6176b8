import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFailure, writeFileSafely } from "../../files.ts";
import type { ValidationRecord } from "./validation.ts";

/** What is known of one training step. */
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

/** One line of `metrics.jsonl`: a step, or a validation after it. */
export type MetricsRecord = StepRecord | ValidationRecord;

const metricsFile = (folder: string): string => join(folder, "metrics.jsonl");

/** Appends lines to the run's `metrics.jsonl` and syncs them. */
export async function appendMetrics(folder: string, records: readonly MetricsRecord[]): Promise<void> {
  if (records.length === 0) return;
  try {
    await using file = await open(metricsFile(folder), "a");
    await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    await file.datasync();
  } catch (error) {
    throw writeFailure(metricsFile(folder), error);
  }
}

/**
 * Drops what a killed process wrote after its last checkpoint, and a torn last line, so that a
 * resumed run's file reads as if it had never stopped. Returns what is left.
 * @param validated the step that the checkpoint's last validation was after; -1 if there was none
 */
export async function rewindMetrics(folder: string, step: number, validated: number): Promise<MetricsRecord[]> {
  const text = await readFile(metricsFile(folder), "utf8").catch(() => "");
  const kept = text.split("\n").flatMap((line): { line: string; record: MetricsRecord }[] => {
    try {
      const record = JSON.parse(line) as MetricsRecord;
      return record.step <= ("validation" in record ? validated : step) ? [{ line, record }] : [];
    } catch {
      return [];
    }
  });
  const rewound = kept.map(({ line }) => `${line}\n`).join("");
  if (rewound !== text) await writeFileSafely(metricsFile(folder), rewound);
  return kept.map(({ record }) => record);
}
