import { itemAt } from "onnx-grad";
import type { Embedder } from "../backbones/index.ts";
import { tallyOf } from "../data/index.ts";
import type { EmbedFacesOptions, LeftFace } from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type DegradationSpec, drawDegradation, parseDegradation, printDegradation } from "../images/index.ts";
import { type CopyOptions, checkCopies, takeRows } from "../matching/index.ts";
import { type FaceRows, type MeasureRowsOptions, measureRows } from "./measure.ts";
import { type CopyRows, enrolledFaces } from "./protocols/enrol.ts";
import { embedFused } from "./protocols/fuse.ts";
import type { Fusion, Protocol } from "./protocols/types.ts";
import type { EvaluationResult } from "./results/types.ts";

/** How far an evaluation is. */
export interface EvaluationProgress {
  /** Faces embedded, and how many there are in all; a face counts once for each degradation. */
  readonly done: number;
  readonly total: number;
  /** The degradation at work; null for faces as given. */
  readonly degradation: string | null;
}

/** What to measure. */
export interface EvaluateOptions
  extends Pick<EmbedFacesOptions, "loader" | "store" | "signal" | "ranks">,
    Omit<MeasureRowsOptions, "degraded" | "copies" | "kept"> {
  /** The model; its owner closes it. */
  readonly model: Embedder;
  readonly protocol: Protocol;
  /** Degradations as `parseDegradation` reads them; each once. None unless given. */
  readonly degradations?: readonly string[] | undefined;
  /**
   * Also measures with enrolled faces together with copies of them: conditions named `..., copies`.
   * None unless given.
   */
  readonly copies?: CopyOptions | undefined;
  /**
   * Also measures with the gallery of the first model that is measured with this: conditions named
   * `..., gallery kept`. Nothing more is embedded.
   */
  readonly gallery?: KeptGallery | undefined;
  /** What is done with the mirror image; the protocol's own way unless given. */
  readonly fusion?: Fusion | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
}

/**
 * Embeddings of a protocol's faces as given by the model that is measured first: one row a face in
 * memory.
 */
export interface KeptGallery {
  /** @returns the embeddings that were given first */
  keep(rows: FaceRows): FaceRows;
}

/** Makes a {@link KeptGallery} for evaluations of several models on one protocol, one by one. */
export function createKeptGallery(): KeptGallery {
  let first: FaceRows | undefined;
  return {
    keep(rows) {
      first ??= rows;
      return first;
    },
  };
}

/**
 * Measures a model on a protocol: every face is embedded once as given, and those that the protocol
 * degrades once with each degradation, in batches that are prepared while the model works. Memory
 * holds the items' embeddings as given, under one degradation and of the copies, and a few batches
 * of pixels.
 *
 * A face that cannot be read, or whose embedding is not finite under any condition, is left out of
 * all of them ({@link measureRows}).
 *
 * @throws PetalfaceError if the protocol's faces cannot be degraded, or more than
 * `data.mostLeftOut` (5 %) must be left out
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { protocol, degradations = [], leave, copies } = options;
  if (copies !== undefined) checkCopies(copies, options.model.size);
  const { data, faces } = protocol;
  if (degradations.length > 0 && protocol.degradable === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `the faces of ${protocol.name} are of low quality already; leave out 'degrade'`,
    );
  const specs = degradations.map(parseDegradation);
  const length = faces.length - (leave?.count ?? 0);
  const tally = tallyOf({ spec: data.spec, length, unreadable: leave, mostLeftOut: data.mostLeftOut });
  tally.tried(length);
  const before = new Set(leave?.faces);
  const known = new Set(
    before.size === 0 ? [] : [...faces.keys()].filter((place) => before.has(data.at(itemAt(faces, place)).id)),
  );
  const onLeft = (place: number, { message, kind }: LeftFace): void => {
    if (known.has(place)) return;
    known.add(place);
    tally.bad(message, kind);
  };
  const { copies: _, gallery, ...rest } = options;
  const { given: once, ...passes } = planPasses(options, specs, onLeft);
  const given = gallery === undefined ? once : keptRows(once);
  const kept = gallery?.keep(given);
  const result = await measureRows(protocol, given, { ...rest, ...passes, ...(kept && { kept }) });
  if (result.leftOut === undefined) return result;
  // The tally knows why each face is left out; the rows only show that their numbers are missing.
  return { ...result, leftOut: { ...result.leftOut, notFinite: 0, ...tally.report() } };
}

/** How many embeddings {@link evaluate} computes or finds. */
export function countEmbeddings({
  protocol,
  degradations = [],
  copies,
}: Pick<EvaluateOptions, "protocol" | "degradations" | "copies">): number {
  const named = new Set(degradations.map((text) => printDegradation(parseDegradation(text))));
  const sizes = (copies?.sizes ?? []).filter((pixels) => !isShared(protocol, named, copySpec(pixels)));
  const enrolled = sizes.length === 0 ? 0 : enrolledFaces(protocol).length;
  return protocol.faces.length * (1 + named.size) + enrolled * sizes.length;
}

const copySpec = (pixels: number): DegradationSpec => ({ kind: "lr", pixels });

/** Whether copies are what all faces are measured as, too. */
const isShared = ({ degradable }: Protocol, named: { has(text: string): boolean }, spec: DegradationSpec): boolean =>
  degradable === "all" && named.has(printDegradation(spec));

/** The protocol's faces as given, as copies and degraded, in the order in which they are read. */
function planPasses(
  options: EvaluateOptions,
  specs: readonly DegradationSpec[],
  onLeft: (place: number, left: LeftFace) => void,
): { readonly given: FaceRows; readonly degraded: ReadonlyMap<string, FaceRows>; readonly copies?: CopyRows } {
  const { protocol, copies } = options;
  const { faces, item, searches, degradable } = protocol;
  const named = new Map(specs.map((spec) => [printDegradation(spec), spec]));
  const total = countEmbeddings(options);
  const whole = Int32Array.from(faces.keys());
  let position = 0;
  const pass = (places: Int32Array, text: string | null, specOf: FaceSpec): FaceRows => {
    const before = position;
    position += places.length;
    const onDone = (done: number) => options.onProgress?.({ done: before + done, total, degradation: text });
    return faceRows(options, places, specOf, onLeft, onDone);
  };
  const given = pass(whole, null, () => undefined);
  const shared = new Map<string, FaceRows>();
  const places = copies === undefined ? whole : enrolledFaces(protocol);
  const rows = (copies?.sizes ?? []).map((pixels) => {
    const spec = copySpec(pixels);
    const text = printDegradation(spec);
    if (!isShared(protocol, named, spec)) return pass(places, text, () => spec);
    const kept = keptRows(pass(whole, text, () => spec));
    shared.set(text, kept);
    return rowsAt(kept, places);
  });
  const probes = new Set(degradable === "all" ? [] : searches.flatMap((search) => [...search.probes]));
  const degradedAs =
    (spec: DegradationSpec): FaceSpec =>
    (place) =>
      degradable === "all" || probes.has(itemAt(item, place)) ? spec : undefined;
  const degraded = new Map(
    [...named].map(([text, spec]) => [text, shared.get(text) ?? pass(whole, text, degradedAs(spec))]),
  );
  return { given, degraded, ...(copies && { copies: { ...copies, places, rows } }) };
}

/** Rows that are read once and then kept. */
function keptRows(rows: FaceRows): FaceRows {
  let all: Promise<Float32Array> | undefined;
  return {
    ...rows,
    async read(start, count) {
      all ??= rows.read(0, rows.count);
      return (await all).subarray(start * rows.width, (start + count) * rows.width);
    },
  };
}

/** Some rows of those that are kept. */
function rowsAt(kept: FaceRows, places: Int32Array): FaceRows {
  if (places.length === kept.count) return kept;
  return {
    count: places.length,
    width: kept.width,
    async read(start, count) {
      const all = await kept.read(0, kept.count);
      return takeRows(all, kept.width, [...places.subarray(start, start + count)]);
    },
  };
}

/** What is done to the face at a place of the protocol. */
type FaceSpec = (place: number) => DegradationSpec | undefined;

/** Some of the protocol's faces as rows that are embedded when they are read. */
function faceRows(
  options: EvaluateOptions,
  places: Int32Array,
  specOf: FaceSpec,
  onLeft: (place: number, left: LeftFace) => void,
  onDone: (done: number) => void,
): FaceRows {
  const { protocol, model, fusion = protocol.fusion, loader, store, signal, ranks } = options;
  const { data, faces } = protocol;
  const { width } = model;
  let alphas: Float32Array | undefined;
  return {
    count: places.length,
    width,
    alpha: () => alphas,
    async read(start, count) {
      const out = new Float32Array(count * width);
      const request = (index: number) => {
        const place = itemAt(places, start + index);
        const { source, id, quality } = data.at(itemAt(faces, place));
        const spec = specOf(place);
        // A face is degraded in the same way in every evaluation, whichever others are measured
        // with it.
        return { source, flip: false, degrade: spec && drawDegradation(spec, id), quality };
      };
      const how = { embedder: model, loader, store, signal, ranks };
      const onLeftHere = (index: number, left: LeftFace): void => onLeft(itemAt(places, start + index), left);
      for await (const part of embedFused(count, request, fusion, { ...how, onLeft: onLeftHere })) {
        out.set(part.data, part.start * width);
        if (part.alpha !== undefined) {
          alphas ??= new Float32Array(places.length);
          alphas.set(part.alpha, start + part.start);
        }
        onDone(start + part.start + part.count);
      }
      return out;
    },
  };
}
