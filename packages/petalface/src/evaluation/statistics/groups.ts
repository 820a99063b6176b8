import { tarAtFar } from "../../matching/index.ts";
import { outcomesOf } from "../results/outcomes.ts";
import type { Condition, Estimate, EvaluationResult, VerificationOutcome } from "../results/types.ts";
import { bootstrap, estimate } from "./bootstrap.ts";
import { judge, kFoldAccuracy, rankPairs } from "./verification.ts";

/** Which group each person belongs to. */
export interface Grouping {
  readonly names: readonly string[];
  /** Of each person of the protocol an index into {@link names}, or -1. */
  readonly of: Int32Array;
}

/** What a measure comes to in each group. */
export interface GroupMeasure {
  readonly title: string;
  readonly condition: Condition;
  /** One entry a group; undefined where the group has no case. */
  readonly groups: readonly (Estimate | undefined)[];
}

/** The rate that the common threshold is set at. */
const commonFar = 0.01;

/**
 * Measures within groups of people, all at thresholds that were chosen on everyone, as one system
 * would have them: accuracy, false rejects and false accepts at 1 % false accepts over all, rank-1.
 * A comparison counts where both people are of the group. Intervals over the group's people.
 */
export function measureGroups(
  { protocol, detail, bootstrap: settings }: EvaluationResult,
  grouping: Grouping,
): readonly GroupMeasure[] {
  const cases: {
    title: string;
    condition: Condition;
    hit: Uint8Array;
    group: Int32Array;
    first: Int32Array;
    second: Int32Array;
  }[] = [];
  const groupOf = (first: number, second: number): number => {
    const group = grouping.of[first];
    return group === grouping.of[second] ? group : -1;
  };
  for (const outcome of outcomesOf(detail, "verification")) {
    const { condition, first, second } = outcome;
    const group = first.map((person, i) => groupOf(person, second[i]));
    const add = (title: string, hit: Uint8Array, counts: (i: number) => boolean): void => {
      cases.push({ title, condition, hit, first, second, group: group.map((own, i) => (counts(i) ? own : -1)) });
    };
    const right = accuracyHits(outcome, protocol.folds);
    if (right !== undefined) add("accuracy", right, () => true);
    const { above, allowed } = tarAtFar(outcome.scores, outcome.same, [commonFar])[0] ?? {
      above: Number.NaN,
      allowed: 0,
    };
    if (outcome.weight !== undefined || allowed < 1) continue;
    const accepted = Uint8Array.from(outcome.scores, (score) => (score > above ? 1 : 0));
    add(
      "false rejects",
      accepted.map((flag) => 1 - flag),
      (i) => outcome.same[i] === 1,
    );
    add("false accepts", accepted, (i) => outcome.same[i] === 0);
  }
  for (const { condition, person, rank } of outcomesOf(detail, "identification")) {
    const group = person.map((who, i) => (rank[i] > 0 ? grouping.of[who] : -1));
    const hit = Uint8Array.from(rank, (place) => (place === 1 ? 1 : 0));
    cases.push({ title: "rank-1", condition, hit, group, first: person, second: person });
  }
  const shares = (multiplicities: Int32Array): number[] =>
    cases.flatMap(({ hit, group, first, second }) => {
      const kept = new Float64Array(grouping.names.length);
      const total = new Float64Array(grouping.names.length);
      group.forEach((own, i) => {
        if (own < 0) return;
        const [a, b] = [first[i], second[i]];
        const weight = multiplicities[a] * (a === b ? 1 : multiplicities[b]);
        total[own] += weight;
        kept[own] += weight * hit[i];
      });
      return Array.from(kept, (value, own) => value / total[own]);
    });
  const rows = bootstrap(protocol.people, { ...settings, resamples: Math.min(settings.resamples, 300) }, shares);
  return cases.map(({ title, condition }, index) => ({
    title,
    condition,
    groups: grouping.names.map((_, own) => {
      const row = rows[index * grouping.names.length + own];
      return Number.isNaN(row[0]) ? undefined : estimate(row);
    }),
  }));
}

function accuracyHits(outcome: VerificationOutcome, folds: number): Uint8Array | undefined {
  if (outcome.fold === undefined) return undefined;
  const pairs = { ...outcome, fold: outcome.fold };
  const { thresholds } = kFoldAccuracy(rankPairs(pairs), new Float64Array(pairs.scores.length).fill(1), folds);
  return judge(pairs, thresholds);
}
