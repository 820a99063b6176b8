import { itemAt } from "onnx-grad";
import type { FaceData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type CopyOptions, openMatcher, type RowSource, rocCurve, rowsOf } from "../matching/index.ts";
import { openResources } from "../resources.ts";
import { type CopiedMatching, startCopied } from "./protocols/copied.ts";
import { type CopyRows, enrolItems, itemAlphas } from "./protocols/enrol.ts";
import { type KeptMatching, startKept } from "./protocols/kept.ts";
import { type Matching, startMatching } from "./protocols/matching.ts";
import { nearestTar } from "./protocols/nearest.ts";
import { protocolOfPairs } from "./protocols/pairs.ts";
import { poolItems } from "./protocols/pool.ts";
import type { Protocol } from "./protocols/types.ts";
import { withoutFaces } from "./protocols/without.ts";
import { measureKey } from "./results/condition.ts";
import type {
  EvaluationResult,
  ImageAlphas,
  LeftOut,
  Outcome,
  PairList,
  ProtocolSummary,
  VerificationOutcome,
} from "./results/types.ts";
import type { OperatingChoice } from "./statistics/measures.ts";
import { type MeasureOptions, summariseOutcomes } from "./statistics/summary.ts";

/** Embeddings of a protocol's faces, one row a face, as the network gives them. */
export interface FaceRows extends RowSource {
  /** Alpha of each face, once its row was read; absent where the model does not judge quality. */
  readonly alpha?: (() => Float32Array | undefined) | undefined;
}

/** How a protocol is measured. */
export interface MeasureRowsOptions extends Pick<MeasureOptions, "bootstrap" | "frozen"> {
  /** Embeddings of the same faces under each degradation, as results spell it. */
  readonly degraded?: ReadonlyMap<string, FaceRows> | undefined;
  /** Also measures with these copies enrolled: conditions named `..., copies`. */
  readonly copies?: CopyRows | undefined;
  /**
   * Embeddings of the same faces as given by the model that enrolled them. Also measures with
   * these enrolled: conditions named `..., gallery kept`.
   */
  readonly kept?: FaceRows | undefined;
  /** Operating points other than the protocol's own. */
  readonly choice?: Partial<OperatingChoice> | undefined;
  /** What another model's measurement left out, to be left out from the start. */
  readonly leave?: LeftOut | undefined;
  /** Threads of the engine that compares. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a protocol on embeddings that come by once, in the protocol's order. Memory holds one
 * row an item, as given and under one degradation, and the scores of the protocol's pairs.
 *
 * A face whose embedding is not finite under any condition is left out of its item under all of
 * them, and an item without any other face out of what is compared; `leftOut` of the result says
 * which. Where a degradation is the first to show it, all rows are read again.
 *
 * @param given an embedding for each of `protocol.faces`
 * @throws PetalfaceError where nothing is left to be compared
 */
export async function measureRows(
  protocol: Protocol,
  given: FaceRows,
  options: MeasureRowsOptions = {},
): Promise<EvaluationResult> {
  const named = new Set(options.leave?.faces);
  const known = named.size === 0 ? [] : [...protocol.faces.keys()];
  let left: ReadonlySet<number> = new Set(
    known.filter((place) => named.has(protocol.data.at(itemAt(protocol.faces, place)).id)),
  );
  for (;;) {
    const found = await measureOnce(protocol, given, left, options);
    if ("result" in found) return found.result;
    left = found.left;
  }
}

/**
 * A result; or the faces to leave out, where more of them turned out to be unusable once faces as
 * given had been measured.
 */
type Found = { readonly result: EvaluationResult } | { readonly left: ReadonlySet<number> };

async function measureOnce(
  protocol: Protocol,
  given: FaceRows,
  known: ReadonlySet<number>,
  options: MeasureRowsOptions,
): Promise<Found> {
  const { degraded = new Map<string, FaceRows>(), copies, signal, threads } = options;
  const pooled = await poolItems(protocol, given, known, signal);
  const { left, templates, digests } = pooled;
  const enrolled = copies && (await enrolItems(protocol, copies, pooled, signal));
  if (enrolled !== undefined && enrolled.left.size > left.size) return { left: enrolled.left };
  const before = options.kept && (await poolItems(protocol, options.kept, left, signal));
  if (before !== undefined && before.left.size > left.size) return { left: before.left };
  const { protocol: measured, lost, leftOut } = withoutFaces(protocol, left);
  const session = threads === undefined ? {} : { threads };
  await using open = openResources();
  const matcher = open.keep(await openMatcher(given.width, session));
  const choice = { ...protocol.choice, ...options.choice };
  const exact = new Map<string, number>();
  const atNearest = ({ condition, scores, same }: VerificationOutcome): void => {
    const roc = rocCurve(scores, same);
    for (const far of choice.fars) exact.set(measureKey("tar", condition, { far }), nearestTar(roc, far));
  };
  const onScores = protocol.nearest ? atNearest : undefined;
  const matching = startMatching(measured, templates, { matcher, onScores, signal });
  const kept = before && startKept(measured, before.templates, { matcher, onScores, signal });
  const copied = enrolled && open.keep(await startCopied(measured, enrolled, { matcher, onScores, signal, session }));
  const addCopied = async (shown: FaceRows, degradation: string | undefined, rows: Float32Array): Promise<void> => {
    const alpha = shown.alpha?.();
    await copied?.add({ degradation, rows, alpha: alpha && itemAlphas(protocol, alpha, left) });
  };
  await matching.asGiven();
  await kept?.add(undefined, templates);
  await addCopied(given, undefined, templates);
  const alphas = alphasOf(protocol, given, null, lost);
  for (const [degradation, rows] of degraded) {
    const worse = await poolItems(protocol, rows, left, signal);
    if (worse.left.size > left.size) return { left: worse.left };
    await matching.degraded(degradation, worse.templates);
    await kept?.add(degradation, worse.templates);
    await addCopied(rows, degradation, worse.templates);
    if (protocol.degradable === "all") alphas.push(...alphasOf(protocol, rows, degradation, lost));
  }
  const { data, items } = protocol;
  const result = summariseOutcomes(
    {
      protocol: summarise(measured, left.size),
      data: { spec: data.spec, fingerprint: data.fingerprint },
      degradations: [...degraded.keys()],
      detail: {
        items,
        outcomes: inOrder(matching, kept, copied),
        alphas,
        nearest: matching.nearest(),
        digests: digests.map((digest, item) => (lost.has(item) ? "" : digest)),
      },
      exact,
    },
    { ...choice, bootstrap: options.bootstrap, frozen: options.frozen },
  );
  const enrolment = copies && { copies: { sizes: copies.sizes, weight: copies.weight } };
  return { result: { ...result, ...enrolment, ...(leftOut && { leftOut }) } };
}

/**
 * Comparisons first, then searches, as tables show them; of each those with a kept gallery, then
 * those with copies last.
 */
function inOrder(plain: Matching, kept: KeptMatching | undefined, copied: CopiedMatching | undefined): Outcome[] {
  const all = [...plain.outcomes(), ...(kept?.outcomes() ?? []), ...(copied?.outcomes() ?? [])];
  return all.toSorted((a, b) => Number(a.kind === "identification") - Number(b.kind === "identification"));
}

/** Alpha of each item, where each is one face and the model judges; NaN for lost ones. */
function alphasOf(
  { items, faces }: Protocol,
  rows: FaceRows,
  degradation: string | null,
  lost: ReadonlySet<number>,
): ImageAlphas[] {
  const alpha = items.length === faces.length ? rows.alpha?.() : undefined;
  if (alpha === undefined) return [];
  return [{ degradation, alpha: alpha.map((value, item) => (lost.has(item) ? Number.NaN : value)) }];
}

/** Counts of a protocol, for reports. */
function summarise(protocol: Protocol, left: number): ProtocolSummary {
  const { kind, name, fingerprint, people, guessed, folds = 0, faces, comparisons, searches } = protocol;
  const genuine = comparisons.reduce((sum, { same }) => sum + same.reduce((count, flag) => count + flag, 0), 0);
  const compared = comparisons.reduce((sum, { same }) => sum + same.length, 0);
  return {
    kind,
    name,
    fingerprint,
    folds,
    people,
    ...(guessed && { guessed }),
    images: faces.length - left,
    genuine,
    impostor: compared - genuine,
    gallery: searches.reduce((most, { gallery }) => Math.max(most, gallery.length), 0),
    probes: searches.reduce((sum, { probes }) => sum + probes.length, 0),
  };
}

/** Embeddings of all images of a list of pairs, one row an image, as the network gives them. */
export interface PairEmbeddings {
  readonly width: number;
  readonly data: Float32Array;
  readonly alpha?: Float32Array | undefined;
}

/** Low-resolution copies of all images of a list of pairs. */
export interface PairCopies extends CopyOptions {
  /** Of each size. */
  readonly embeddings: readonly PairEmbeddings[];
}

/**
 * Measures a list of pairs on embeddings that were computed elsewhere, as {@link measureRows} does.
 *
 * @param degraded embeddings of the same images under each degradation
 * @param options with `copies`, embeddings of the same images at each of their sizes; with `kept`,
 *   those of the model that enrolled
 * @throws PetalfaceError if the embeddings do not fit the list
 */
export async function measureEmbeddings(
  list: PairList,
  data: { readonly spec: string; readonly fingerprint: string },
  given: PairEmbeddings,
  degraded: ReadonlyMap<string, PairEmbeddings>,
  options: Omit<MeasureRowsOptions, "degraded" | "copies" | "kept"> & {
    readonly copies?: PairCopies | undefined;
    readonly kept?: PairEmbeddings | undefined;
  } = {},
): Promise<EvaluationResult> {
  const count = list.images.length;
  const rowsFrom = ({ width, data: rows, alpha }: PairEmbeddings): FaceRows => {
    if (width !== given.width || rows.length !== count * width)
      throw new PetalfaceError(
        "PETAL_ARGUMENT_INVALID",
        `embeddings of ${list.name} are ${rows.length} numbers, ${width} a face; expected ${count} x ${given.width}`,
      );
    return { ...rowsOf(rows, width), ...(alpha && { alpha: () => alpha }) };
  };
  const faces: FaceData = {
    spec: data.spec,
    fingerprint: data.fingerprint,
    length: count,
    people: list.people,
    at: (index) => ({ ...imageAt(list, index), source: { kind: "file", path: list.images[index]?.id ?? "" } }),
  };
  const rows = new Map([...degraded].map(([degradation, embeddings]) => [degradation, rowsFrom(embeddings)]));
  const copies = options.copies && {
    ...options.copies,
    places: Int32Array.from({ length: count }, (_, place) => place),
    rows: options.copies.embeddings.map(rowsFrom),
  };
  const kept = options.kept && rowsFrom(options.kept);
  return measureRows(protocolOfPairs(list, faces), rowsFrom(given), { ...options, degraded: rows, copies, kept });
}

const imageAt = ({ images }: PairList, index: number): PairList["images"][number] => {
  const image = images[index];
  if (image === undefined) throw new RangeError(`image ${index} of ${images.length}`);
  return image;
};
