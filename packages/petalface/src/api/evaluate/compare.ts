import { PetalfaceError } from "../../errors.ts";
import {
  compareMethods,
  correctForMany,
  type EvaluationResult,
  meanResult,
  type NamedComparison,
} from "../../evaluation/index.ts";
import { groupRuns, type Method } from "./methods.ts";
import { type FoundResult, loadResults } from "./results.ts";

/** What to compare, and how. */
export interface CompareOptions {
  /**
   * Runs that were evaluated, folders of results, result files, or results in memory; the first is
   * what the others are compared with. One run alone is its frozen model against its adapted one.
   */
  readonly results: readonly (string | { readonly name: string; readonly result: EvaluationResult })[];
  /** Resamples of the bootstrap over people; as in the results unless given. */
  readonly resamples?: number | undefined;
  /** Seed of the bootstrap. */
  readonly seed?: number | undefined;
  /** Whether runs that differ in their training seed alone are one method; true unless given. */
  readonly seeds?: boolean | undefined;
}

/** Methods, and how each differs from the first. */
export interface Compared {
  readonly methods: readonly (Method & {
    /** The mean of its runs. */
    readonly result: EvaluationResult;
  })[];
  /** Each method but the first against the first, p values corrected for all of them (Holm). */
  readonly comparisons: readonly NamedComparison[];
}

/**
 * Says which result is better, by how much, and how sure that is: `petalface compare`.
 *
 * @throws PetalfaceError if there are fewer than two, or they were measured on different protocols
 */
export async function compare(options: CompareOptions): Promise<Compared> {
  const { results, resamples, seed, seeds = true } = options;
  const places = results.filter((each) => typeof each === "string");
  const loaded = places.length === 0 ? [] : await loadResults(places, results.length > 1);
  const found = results.length === 1 ? loaded : inOrder(results, loaded);
  const methods = await groupRuns(found, seeds);
  const [first, ...others] = methods;
  if (first === undefined || others.length === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "two results are needed to compare; runs that differ only in their seed are one method (unless 'seeds' says otherwise)",
    );
  const comparisons = correctForMany(
    others.map((other) =>
      compareMethods(first.runs, other.runs, {
        ...(resamples !== undefined && { resamples }),
        ...(seed !== undefined && { seed }),
      }),
    ),
  );
  return {
    methods: methods.map((method) => ({ ...method, result: meanResult(method.runs) })),
    comparisons: others.flatMap(({ name }, i) => {
      const comparison = comparisons[i];
      return comparison === undefined ? [] : [{ name, against: first.name, comparison }];
    }),
  };
}

/** Results in memory and loaded ones in the order in which they were given. */
function inOrder(results: CompareOptions["results"], loaded: readonly FoundResult[]): FoundResult[] {
  const next = loaded.values();
  return results.flatMap((each): FoundResult[] => {
    if (typeof each !== "string") return [{ ...each, path: each.name }];
    const { value } = next.next();
    return value === undefined ? [] : [value];
  });
}
