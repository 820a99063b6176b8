import { itemAt } from "onnx-grad";
import {
  type CopyWeight,
  copyGalleryRows,
  copyPairScores,
  copyProbeRows,
  copyWeights,
  type EnrolledFaces,
  identify,
  openCopyMatcher,
  rowsOf,
  scorePairs,
  weighScores,
} from "../../matching/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";
import { copyCondition } from "../results/condition.ts";
import type { Condition, Outcome } from "../results/types.ts";
import { append } from "../statistics/arrays.ts";
import { bothWays, conditionOf, keepScores, type MatchingOptions, ownPlaces } from "./matching.ts";
import type { Comparisons, Protocol, Search } from "./types.ts";

/** Items enrolled with copies; rows of items that are not enrolled have no meaning. */
export interface EnrolledItems {
  readonly faces: EnrolledFaces;
  readonly weight: CopyWeight;
}

/** Probes as they were shown. */
export interface ShownItems {
  /** Undefined for items as given. */
  readonly degradation: string | undefined;
  /** Unit rows, one an item. */
  readonly rows: Float32Array;
  /** Of each item, where the model judges. */
  readonly alpha: Float32Array | undefined;
}

/**
 * What compares probes with items enrolled with copies, condition by condition. Close it after use.
 */
export interface CopiedMatching {
  add(probes: ShownItems): Promise<void>;
  /** Named `..., copies`; comparisons first, then searches. */
  outcomes(): readonly Outcome[];
  close(): Promise<void>;
}

/**
 * Starts to match a protocol whose enrolled items have copies: galleries, the enrolled side of
 * comparisons that have one, and where all faces are degraded each face of a pair in turn.
 */
export async function startCopied(
  protocol: Protocol,
  { faces, weight }: EnrolledItems,
  options: MatchingOptions & { readonly session?: SessionOptions | undefined },
): Promise<CopiedMatching> {
  const { matcher, signal } = options;
  const { person, degradable } = protocol;
  const { width } = faces;
  const searches = protocol.searches.filter(({ probes }) => probes.length > 0);
  const searching = searches.length === 0 ? undefined : await openCopyMatcher(width, options.session);
  const lists = protocol.comparisons.map((list) => ({ list, ...bothWays(protocol, list) }));
  const verified: Outcome[] = [];
  const found: Outcome[] = [];

  const score = async (
    { fold }: Comparisons,
    pairs: { readonly enrolled: Int32Array; readonly probe: Int32Array },
    rows: Float32Array,
    weights: Float32Array,
  ): Promise<Float32Array> => {
    if (fold !== undefined) return copyPairScores(faces, rows, weights, pairs);
    const product = (of: Float32Array) => scorePairs(matcher, of, rows, pairs.enrolled, pairs.probe, { signal });
    return weighScores(faces, weights, pairs, await product(faces.sharp), await product(faces.copies));
  };
  const verify = async (
    { list, once, twice }: (typeof lists)[number],
    { degradation, rows }: ShownItems,
    weights: Float32Array,
  ): Promise<void> => {
    const ways = {
      first: { enrolled: list.first, probe: list.second },
      second: { enrolled: list.second, probe: list.first },
    };
    const keep = (plain: Condition, scores: Float32Array, both: boolean): void => {
      verified.push(keepScores(copyCondition(plain, "verification"), scores, both ? twice() : once, options));
    };
    const condition: Condition = degradation === undefined ? conditionOf(list.name) : { kind: "mixed", degradation };
    if (degradable === "all")
      keep(
        condition,
        append(await score(list, ways.first, rows, weights), await score(list, ways.second, rows, weights)),
        true,
      );
    else if (list.enrolled !== undefined && degradation === undefined)
      keep(condition, await score(list, ways[list.enrolled], rows, weights), false);
  };
  const search = async (
    { name, probes, gallery }: Search,
    { degradation, rows }: ShownItems,
    weights: Float32Array,
  ): Promise<void> => {
    if (searching === undefined) return;
    const labels = (items: Int32Array): Int32Array => items.map((item) => itemAt(person, item));
    const { rank, mate, other } = await identify(
      searching,
      {
        probes: copyProbeRows(rows, width, weights, probes),
        probeLabels: labels(probes),
        gallery: rowsOf(copyGalleryRows(faces, gallery), searching.width),
        galleryLabels: labels(gallery),
        skip: ownPlaces(probes, gallery),
      },
      { signal },
    );
    const plain: Condition = degradation === undefined ? conditionOf(name) : { kind: "mixed", degradation };
    found.push({
      kind: "identification",
      condition: copyCondition(plain, "identification"),
      person: labels(probes),
      item: probes,
      rank,
      mate,
      other,
      gallery: gallery.length,
    });
  };
  return {
    async add(shown) {
      const weights = copyWeights(weight, protocol.items.length, shown.alpha);
      for (const list of lists) await verify(list, shown, weights);
      for (const each of searches) await search(each, shown, weights);
    },
    outcomes: () => [...verified, ...found],
    async close() {
      await searching?.close();
    },
  };
}
