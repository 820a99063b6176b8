import { createHash } from "node:crypto";
import { measureKey } from "../condition.ts";
import {
  identify,
  type Matcher,
  openMatcher,
  poolTemplates,
  type RowSource,
  rocCurve,
  rowsOf,
  scorePairs,
} from "../matching/index.ts";
import { takeRows } from "../scores.ts";
import { type MeasureOptions, summariseOutcomes } from "../summary.ts";
import { thinComparisons } from "../thin.ts";
import type {
  Condition,
  EvaluationResult,
  IdentificationOutcome,
  ProtocolSummary,
  VerificationOutcome,
} from "../types.ts";
import { nearestTar } from "./nearest.ts";
import type { Comparisons, MatchProtocol, Search } from "./types.ts";

/** How a protocol is measured. */
export interface MatchOptions extends Pick<MeasureOptions, "bootstrap" | "frozen"> {
  readonly signal?: AbortSignal | undefined;
  readonly threads?: number | undefined;
  /** Embeddings of the same faces, degraded; probes of the searches are taken from them. */
  readonly degraded?: { readonly degradation: string; readonly rows: RowSource } | undefined;
}

/**
 * Measures a protocol on embeddings that come by once, in the protocol's order. Memory holds one row an item, and the scores of
 * the protocol's list of pairs.
 *
 * @param rows an embedding for each of `protocol.faces`, as the network gives it
 * @throws PetalfaceError if an embedding is not finite
 */
export async function measureMatch(
  protocol: MatchProtocol,
  rows: RowSource,
  options: MatchOptions = {},
): Promise<EvaluationResult> {
  const { signal, degraded } = options;
  const { items, choice } = protocol;
  const pooled = await pool(protocol, rows, signal);
  const outcomes: (VerificationOutcome | IdentificationOutcome)[] = [];
  const exact = new Map<string, number>();
  const matcher = await openMatcher(rows.width, options.threads === undefined ? {} : { threads: options.threads });
  try {
    for (const comparisons of protocol.comparisons) {
      const outcome = await verify(matcher, protocol, comparisons, pooled, signal);
      if (protocol.nearest) {
        const roc = rocCurve(outcome.scores, outcome.same);
        for (const far of choice.fars) exact.set(measureKey("tar", outcome.condition, { far }), nearestTar(roc, far));
      }
      outcomes.push(thinComparisons(outcome));
    }
    for (const search of protocol.searches)
      outcomes.push(await find(matcher, protocol, search, conditionOf(search.name), pooled, pooled, signal));
    if (degraded !== undefined) {
      const { degradation } = degraded;
      const worse = await pool(protocol, degraded.rows, signal);
      for (const search of protocol.searches)
        outcomes.push(await find(matcher, protocol, search, { kind: "mixed", degradation }, pooled, worse, signal));
    }
  } finally {
    await matcher.close();
  }
  const { data } = protocol;
  return summariseOutcomes(
    {
      protocol: summarise(protocol),
      data: { spec: data.spec, fingerprint: data.fingerprint },
      degradations: degraded === undefined ? [] : [degraded.degradation],
      detail: { items, outcomes, alphas: [], digests: digests(pooled, rows.width) },
      exact,
    },
    { ...choice, bootstrap: options.bootstrap, frozen: options.frozen },
  );
}

const conditionOf = (name: string): Condition => (name === "sharp" ? { kind: "sharp" } : { kind: "named", name });

function pool({ items, item, media, weight }: MatchProtocol, rows: RowSource, signal?: AbortSignal) {
  const members = {
    templates: items.length,
    template: item,
    media: media ?? Int32Array.from(item.keys()),
    weight,
  };
  return poolTemplates(rows, members, { signal });
}

async function verify(
  matcher: Matcher,
  { person }: MatchProtocol,
  { name, first, second, same }: Comparisons,
  pooled: Float32Array,
  signal?: AbortSignal,
): Promise<VerificationOutcome> {
  return {
    kind: "verification",
    condition: conditionOf(name),
    scores: await scorePairs(matcher, pooled, pooled, first, second, { signal }),
    same,
    first: first.map((item) => person[item] as number),
    second: second.map((item) => person[item] as number),
    firstItem: first,
    secondItem: second,
  };
}

async function find(
  matcher: Matcher,
  { person }: MatchProtocol,
  { probes, gallery }: Search,
  condition: Condition,
  pooled: Float32Array,
  ofProbes: Float32Array,
  signal?: AbortSignal,
): Promise<IdentificationOutcome> {
  const { width } = matcher;
  const labels = (items: Int32Array): Int32Array => items.map((item) => person[item] as number);
  const found = await identify(
    matcher,
    {
      probes: takeRows(ofProbes, width, [...probes]),
      probeLabels: labels(probes),
      gallery: rowsOf(takeRows(pooled, width, [...gallery]), width),
      galleryLabels: labels(gallery),
      // Where a set is searched in itself, nobody is found in their own place.
      skip: ownPlaces(probes, gallery),
    },
    { signal },
  );
  return {
    kind: "identification",
    condition,
    person: labels(probes),
    item: probes,
    rank: found.rank,
    mate: found.mate,
    other: found.other,
    gallery: gallery.length,
  };
}

/** Where each probe stands in the gallery itself, or -1. */
function ownPlaces(probes: Int32Array, gallery: Int32Array): Int32Array {
  const place = new Map(Array.from(gallery, (item, at) => [item, at]));
  return probes.map((item) => place.get(item) ?? -1);
}

function summarise(protocol: MatchProtocol): ProtocolSummary {
  const { kind, name, fingerprint, people, guessed, faces, comparisons, searches } = protocol;
  const genuine = comparisons.reduce((sum, { same }) => sum + same.reduce((count, flag) => count + flag, 0), 0);
  const compared = comparisons.reduce((sum, { same }) => sum + same.length, 0);
  return {
    ...{ kind, name, fingerprint, folds: 0, people, ...(guessed && { guessed }), images: faces.length },
    ...{ genuine, impostor: compared - genuine },
    gallery: searches.reduce((most, { gallery }) => Math.max(most, gallery.length), 0),
    probes: searches.reduce((sum, { probes }) => sum + probes.length, 0),
  };
}

function digests(rows: Float32Array, width: number): string[] {
  return Array.from({ length: rows.length / width }, (_, row) =>
    createHash("sha256")
      .update(rows.subarray(row * width, (row + 1) * width))
      .digest("hex")
      .slice(0, 16),
  );
}
