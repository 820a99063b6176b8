import { createHash } from "node:crypto";
import {
  identify,
  type Matcher,
  openMatcher,
  poolTemplates,
  type RowSource,
  rocCurve,
  rowsOf,
  scorePairs,
  takeRows,
} from "../../matching/index.ts";
import { measureKey } from "../results/condition.ts";
import type {
  Condition,
  EvaluationResult,
  IdentificationOutcome,
  ProtocolSummary,
  VerificationOutcome,
} from "../results/types.ts";
import { type MeasureOptions, summariseOutcomes } from "../statistics/summary.ts";
import { thinComparisons } from "../statistics/thin.ts";
import { nearestTar } from "./nearest.ts";
import type { Comparisons, MatchProtocol, Search } from "./types.ts";
import type { LeftOut } from "./without.ts";
import { withoutFaces } from "./without-faces.ts";

/** How a protocol is measured. */
export interface MatchOptions extends Pick<MeasureOptions, "bootstrap" | "frozen"> {
  readonly signal?: AbortSignal | undefined;
  readonly threads?: number | undefined;
  /** What another model's measurement left out, to be left out from the start. */
  readonly leave?: LeftOut | undefined;
  /** Embeddings of the same faces, degraded; probes of the searches are taken from them. */
  readonly degraded?: { readonly degradation: string; readonly rows: RowSource } | undefined;
}

/**
 * Measures a protocol on embeddings that come by once, in the protocol's order. Memory holds one row an item, and the scores of
 * the protocol's list of pairs. A face whose embedding is not finite is left out of its item, and an item without any other face out of what is
 * compared; `leftOut` of the result says which.
 *
 * @param rows an embedding for each of `protocol.faces`, as the network gives it
 * @throws PetalfaceError where nothing is left to be compared
 */
export async function measureMatch(
  protocol: MatchProtocol,
  rows: RowSource,
  options: MatchOptions = {},
): Promise<EvaluationResult> {
  const { signal, degraded } = options;
  const { items, choice } = protocol;
  const known = placesOf(protocol, options.leave);
  const sharp = await pool(protocol, rows, known, signal);
  const worse = degraded && (await pool(protocol, degraded.rows, known, signal));
  const pooled = sharp.templates;
  const { protocol: measured, leftOut } = withoutFaces(protocol, [sharp.left, ...(worse ? [worse.left] : [])]);
  const outcomes: (VerificationOutcome | IdentificationOutcome)[] = [];
  const exact = new Map<string, number>();
  const matcher = await openMatcher(rows.width, options.threads === undefined ? {} : { threads: options.threads });
  try {
    for (const comparisons of measured.comparisons) {
      const outcome = await verify(matcher, protocol, comparisons, pooled, signal);
      if (protocol.nearest) {
        const roc = rocCurve(outcome.scores, outcome.same);
        for (const far of choice.fars) exact.set(measureKey("tar", outcome.condition, { far }), nearestTar(roc, far));
      }
      outcomes.push(thinComparisons(outcome));
    }
    for (const search of measured.searches)
      outcomes.push(await find(matcher, protocol, search, conditionOf(search.name), pooled, pooled, signal));
    if (degraded !== undefined && worse !== undefined) {
      const { degradation } = degraded;
      for (const search of measured.searches)
        outcomes.push(
          await find(matcher, protocol, search, { kind: "mixed", degradation }, pooled, worse.templates, signal),
        );
    }
  } finally {
    await matcher.close();
  }
  const { data } = protocol;
  const result = summariseOutcomes(
    {
      protocol: summarise(measured),
      data: { spec: data.spec, fingerprint: data.fingerprint },
      degradations: degraded === undefined ? [] : [degraded.degradation],
      detail: { items, outcomes, alphas: [], digests: digests(pooled, rows.width) },
      exact,
    },
    { ...choice, bootstrap: options.bootstrap, frozen: options.frozen },
  );
  return leftOut === undefined ? result : { ...result, leftOut };
}

const conditionOf = (name: string): Condition => (name === "sharp" ? { kind: "sharp" } : { kind: "named", name });

/** Where in `protocol.faces` those stand that are left out from the start. */
function placesOf({ data, faces }: MatchProtocol, leave: LeftOut | undefined): ReadonlySet<number> {
  if (leave === undefined) return new Set();
  const named = new Set(leave.faces);
  return new Set([...faces.keys()].filter((place) => named.has(data.at(faces[place] as number).id)));
}

/** One embedding an item, and the faces, as places in `protocol.faces`, that have none. */
async function pool(
  { items, item, media, weight }: MatchProtocol,
  rows: RowSource,
  known: ReadonlySet<number>,
  signal?: AbortSignal,
) {
  const members = { templates: items.length, template: item, media: media ?? Int32Array.from(item.keys()), weight };
  for (let left = known; ; ) {
    const found = new Set(left);
    const onLeft = (face: number): void => {
      found.add(face);
    };
    const templates = await poolTemplates(rows, { ...members, left, onLeft }, { signal });
    // Only a medium of several faces has a mean that another count changes.
    if (found.size === left.size || media === undefined) return { templates, left: found };
    left = found;
  }
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
      // If a set is searched in itself, a face is not compared with itself.
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
