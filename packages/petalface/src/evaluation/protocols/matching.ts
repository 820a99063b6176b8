import { identify, type Matcher, pairScores, rowsOf, scorePairs, takeRows } from "../../matching/index.ts";
import type {
  Condition,
  IdentificationOutcome,
  NearestPeople,
  Outcome,
  VerificationOutcome,
} from "../results/types.ts";
import { append } from "../statistics/arrays.ts";
import { thinComparisons } from "../statistics/thin.ts";
import { nearestPeople } from "./nearest-people.ts";
import type { Comparisons, Protocol, Search } from "./types.ts";

/**
 * What compares the items of a protocol, condition by condition, so that rows of one degradation
 * can go before the next come.
 */
export interface Matching {
  /** All comparisons and searches of items as given. */
  asGiven(): Promise<void>;
  /**
   * Where all faces are degraded: both items of each comparison, then one of them. Probes of
   * searches in the gallery as given.
   */
  degraded(degradation: string, rows: Float32Array): Promise<void>;
  /** Comparisons first, then searches, as tables show them. */
  outcomes(): readonly Outcome[];
  /** Of each search, some probes and the people that are nearest to them. */
  nearest(): readonly NearestPeople[];
}

/** What {@link startMatching} matches with. */
export interface MatchingOptions {
  readonly matcher: Matcher;
  /** Shown all comparisons of a condition before they are thinned. */
  readonly onScores?: ((outcome: VerificationOutcome) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts to match the items of a protocol.
 *
 * @param given unit rows, one an item
 */
export function startMatching(protocol: Protocol, given: Float32Array, options: MatchingOptions): Matching {
  const { matcher, signal } = options;
  const { person, degradable } = protocol;
  const lists = protocol.comparisons.map((list) => ({ list, ...bothWays(protocol, list) }));
  const searches = searchesOf(protocol);
  const verified: Outcome[] = [];
  const found: Outcome[] = [];
  const near: NearestPeople[] = [];
  const score = ({ first, second, fold }: Comparisons, a: Float32Array, b: Float32Array) =>
    // Accuracy is judged pair by pair, as the field's evaluators do; millions of pairs without
    // folds need the engine's products.
    fold === undefined
      ? scorePairs(matcher, a, b, first, second, { signal })
      : pairScores(a, b, matcher.width, first, second);
  const keep = (condition: Condition, scores: Float32Array, pairs: PairColumns): void => {
    verified.push(keepScores(condition, scores, pairs, options));
  };
  const search = async (each: LabelledSearch, condition: Condition, probes: Float32Array): Promise<void> => {
    found.push(await searchOne(each, condition, { enrolled: given, probes }, options));
    near.push({ condition, probes: nearestPeople(each, person, { given, probes, width: matcher.width }) });
  };
  return {
    async asGiven() {
      for (const { list, once } of lists) keep(conditionOf(list.name), await score(list, given, given), once);
      for (const each of searches) await search(each, conditionOf(each.name), given);
    },
    async degraded(degradation, rows) {
      if (degradable === "all")
        for (const { list, once, twice } of lists) {
          keep({ kind: "lr", degradation }, await score(list, rows, rows), once);
          const [one, other] = [await score(list, given, rows), await score(list, rows, given)];
          keep({ kind: "mixed", degradation }, append(one, other), twice());
        }
      for (const each of searches) await search(each, { kind: "mixed", degradation }, rows);
    },
    outcomes: () => [...verified, ...found],
    nearest: () => near.filter(({ probes }) => probes.length > 0),
  };
}

/** What a protocol calls `sharp` are faces as given. */
export const conditionOf = (name: string): Condition =>
  name === "sharp" ? { kind: "sharp" } : { kind: "named", name };

type PairColumns = Omit<VerificationOutcome, "kind" | "condition" | "scores" | "weight">;

/**
 * Columns of a list of comparisons, and of the list behind itself: once for each side being the
 * degraded one.
 */
export function bothWays({ person }: Protocol, { first, second, same, fold }: Comparisons) {
  const once: PairColumns = {
    same,
    ...(fold && { fold }),
    first: first.map((item) => person[item]),
    second: second.map((item) => person[item]),
    firstItem: first,
    secondItem: second,
  };
  let doubled: PairColumns | undefined;
  const twice = (): PairColumns => {
    doubled ??= {
      same: append(same, same),
      ...(fold && { fold: append(fold, fold) }),
      first: append(once.first, once.first),
      second: append(once.second, once.second),
      firstItem: append(first, first),
      secondItem: append(second, second),
    };
    return doubled;
  };
  return { once, twice };
}

/** A search with the people of its items. */
interface LabelledSearch extends Search {
  readonly people: Int32Array;
  readonly galleryPeople: Int32Array;
}

/** The searches of a protocol that have probes. */
export function searchesOf({ person, searches }: Protocol): LabelledSearch[] {
  const peopleOf = (items: Int32Array): Int32Array => items.map((item) => person[item]);
  return searches
    .filter(({ probes }) => probes.length > 0)
    .map((each) => ({ ...each, people: peopleOf(each.probes), galleryPeople: peopleOf(each.gallery) }));
}

/** The outcome of a list of comparisons, thinned where results keep fewer of them. */
export function keepScores(
  condition: Condition,
  scores: Float32Array,
  pairs: PairColumns,
  { onScores }: Pick<MatchingOptions, "onScores">,
): VerificationOutcome {
  const outcome: VerificationOutcome = { kind: "verification", condition, ...pairs, scores };
  onScores?.(outcome);
  return outcome.fold === undefined ? thinComparisons(outcome) : outcome;
}

/**
 * Searches for a protocol's probes in a gallery.
 *
 * @param rows unit rows, one an item, for the gallery and for the probes
 */
export async function searchOne(
  { probes, gallery, people, galleryPeople }: LabelledSearch,
  condition: Condition,
  rows: { readonly enrolled: Float32Array; readonly probes: Float32Array },
  { matcher, signal }: MatchingOptions,
): Promise<IdentificationOutcome> {
  const { width } = matcher;
  const { rank, mate, other } = await identify(
    matcher,
    {
      probes: takeRows(rows.probes, width, [...probes]),
      probeLabels: people,
      gallery: rowsOf(takeRows(rows.enrolled, width, [...gallery]), width),
      galleryLabels: galleryPeople,
      // If a set is searched in itself, a face is not compared with itself.
      skip: ownPlaces(probes, gallery),
    },
    { signal },
  );
  return {
    kind: "identification",
    condition,
    person: people,
    item: probes,
    rank,
    mate,
    other,
    gallery: gallery.length,
  };
}

/** Where each probe stands in the gallery itself, or -1. */
export function ownPlaces(probes: Int32Array, gallery: Int32Array): Int32Array {
  const place = new Map(Array.from(gallery, (item, at) => [item, at]));
  return probes.map((item) => place.get(item) ?? -1);
}
