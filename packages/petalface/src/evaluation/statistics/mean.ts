import type { EvaluationResult, Measure } from "../results/types.ts";
import { combineErrors, seedError } from "./significance.ts";

/**
 * Several runs of one method as one result: means over runs, with the error of people (the mean of
 * the runs' own) and of training seeds. Outcomes are the first run's, for curves and pictures.
 */
export function meanResult(runs: readonly EvaluationResult[]): EvaluationResult {
  const first = runs[0];
  if (runs.length === 1) return first;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const measures = first.measures.flatMap((measure): Measure[] => {
    const found = runs.flatMap((run) => run.measures.find(({ key }) => key === measure.key) ?? []);
    if (found.length < runs.length) return [];
    const values = found.map(({ value }) => value);
    const value = mean(values);
    const people = {
      standardError: mean(found.map(({ standardError }) => standardError)),
      count: first.protocol.people,
    };
    const { low, high, standardError } = combineErrors(value, people, [seedError(values)]);
    return [{ ...measure, value, low, high, standardError }];
  });
  return { ...first, measures };
}
