import { pairScores, scorePairs } from "../../matching/index.ts";
import { keptCondition } from "../results/condition.ts";
import type { Condition, Outcome } from "../results/types.ts";
import { append } from "../statistics/arrays.ts";
import { bothWays, conditionOf, keepScores, type MatchingOptions, searchesOf, searchOne } from "./matching.ts";
import type { Comparisons, Protocol } from "./types.ts";

/**
 * What compares probes with enrolled items that keep the embeddings of another model, condition by
 * condition.
 */
export interface KeptMatching {
  /** @param degradation undefined for items as given */
  add(degradation: string | undefined, rows: Float32Array): Promise<void>;
  /** Named `..., gallery kept`; comparisons first, then searches. */
  outcomes(): readonly Outcome[];
}

/**
 * Starts to match a protocol whose galleries are not enrolled again: what an operator has who
 * changes the model alone. The enrolled side of comparisons keeps its embeddings too, and where all
 * faces are degraded each face of a pair in turn.
 *
 * @param enrolled unit rows of the model that enrolled, one an item
 */
export function startKept(protocol: Protocol, enrolled: Float32Array, options: MatchingOptions): KeptMatching {
  const { matcher, signal } = options;
  const lists = protocol.comparisons.map((list) => ({ list, ...bothWays(protocol, list) }));
  const searches = searchesOf(protocol);
  const verified: Outcome[] = [];
  const found: Outcome[] = [];
  const score = ({ fold }: Comparisons, pairs: { enrolled: Int32Array; probe: Int32Array }, rows: Float32Array) =>
    fold === undefined
      ? scorePairs(matcher, enrolled, rows, pairs.enrolled, pairs.probe, { signal })
      : pairScores(enrolled, rows, matcher.width, pairs.enrolled, pairs.probe);
  return {
    async add(degradation, rows) {
      const shown = (name: string): Condition =>
        degradation === undefined ? conditionOf(name) : { kind: "mixed", degradation };
      for (const { list, once, twice } of lists) {
        const ways = {
          first: { enrolled: list.first, probe: list.second },
          second: { enrolled: list.second, probe: list.first },
        };
        const condition = keptCondition(shown(list.name), "verification");
        if (protocol.degradable === "all") {
          const [one, other] = [await score(list, ways.first, rows), await score(list, ways.second, rows)];
          verified.push(keepScores(condition, append(one, other), twice(), options));
        } else if (list.enrolled !== undefined && degradation === undefined)
          verified.push(keepScores(condition, await score(list, ways[list.enrolled], rows), once, options));
      }
      for (const each of searches) {
        const condition = keptCondition(shown(each.name), "identification");
        found.push(await searchOne(each, condition, { enrolled, probes: rows }, options));
      }
    },
    outcomes: () => [...verified, ...found],
  };
}
