import { itemAt } from "onnx-grad";
import type { EvaluationResult } from "../../evaluation/index.ts";
import { readRun } from "../../training/index.ts";
import type { FoundResult } from "./results.ts";

/** Runs that differ in their training seed alone, or one result. */
export interface Method {
  readonly name: string;
  readonly runs: readonly EvaluationResult[];
  readonly places: readonly string[];
}

/**
 * Puts runs together whose options are equal but for the seed, on the same model and data: they are
 * samples of one method. Everything else stands alone. The order is that of each method's first
 * run.
 */
export async function groupRuns(results: readonly FoundResult[], together: boolean): Promise<Method[]> {
  const groups = new Map<string, FoundResult[]>();
  for (const [place, found] of results.entries()) {
    const key = (together && (await recipeOf(found))) || `alone ${place}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [found]);
    else group.push(found);
  }
  return [...groups.values()].map((group) => {
    const first = itemAt(group, 0);
    return {
      name: group.length === 1 ? first.name : `${first.name} (${group.length} runs)`,
      runs: group.map(({ result }) => result),
      places: group.map(({ path }) => path),
    };
  });
}

/**
 * Everything about the training of a result but its seed, or undefined where it is not from a run.
 */
async function recipeOf({ run }: FoundResult): Promise<string | undefined> {
  if (run === undefined) return undefined;
  const record = await readRun(run).catch(() => undefined);
  if (record === undefined) return undefined;
  const { seed: _, ...options } = record.options;
  return JSON.stringify([options, record.model.sha256, record.data.fingerprint, record.changes ?? []]);
}
