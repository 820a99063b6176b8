import type { Embedder } from "../backbones/index.ts";
import { tallyOf } from "../data/index.ts";
import type { EmbedFacesOptions, LeftFace } from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type DegradationSpec, drawDegradation, parseDegradation, printDegradation } from "../images/index.ts";
import { type FaceRows, type MeasureRowsOptions, measureRows } from "./measure.ts";
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
  extends Pick<EmbedFacesOptions, "loader" | "store" | "signal">,
    Omit<MeasureRowsOptions, "degraded"> {
  /** The model; its owner closes it. */
  readonly model: Embedder;
  readonly protocol: Protocol;
  /** Degradations as `parseDegradation` reads them; each once. None unless given. */
  readonly degradations?: readonly string[] | undefined;
  /** What is done with the mirror image; the protocol's own way unless given. */
  readonly fusion?: Fusion | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
}

/**
 * Measures a model on a protocol: every face is embedded once as given, and those that the protocol degrades once with each degradation, in
 * batches that are prepared while the model works. Memory holds the items' embeddings as given and under one degradation, and a few
 * batches of pixels.
 *
 * A face that cannot be read, or whose embedding is not finite under any condition, is left out of all of them ({@link measureRows}).
 *
 * @throws PetalfaceError if the protocol's faces cannot be degraded, or more than `data.mostLeftOut` (5 %) must be left out
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { protocol, degradations = [], leave } = options;
  const { data, faces } = protocol;
  if (degradations.length > 0 && protocol.degradable === undefined)
    throw new PetalfaceError(`the faces of ${protocol.name} are of low quality already; leave out --degrade`, {
      exitCode: 2,
    });
  const specs = degradations.map(parseDegradation);
  const length = faces.length - (leave?.count ?? 0);
  const tally = tallyOf({ spec: data.spec, length, unreadable: leave, mostLeftOut: data.mostLeftOut });
  tally.tried(length);
  const before = new Set(leave?.faces);
  const known = new Set(
    before.size === 0 ? [] : [...faces.keys()].filter((place) => before.has(data.at(faces[place] as number).id)),
  );
  const onLeft = (place: number, { message, kind }: LeftFace): void => {
    if (known.has(place)) return;
    known.add(place);
    tally.bad(message, kind);
  };
  const named = new Map(specs.map((spec) => [printDegradation(spec), spec]));
  const total = faces.length * (named.size + 1);
  const rowsOf = (spec: DegradationSpec | undefined, degradation: string | null, position: number): FaceRows =>
    faceRows(options, spec, onLeft, (done) =>
      options.onProgress?.({ done: position * faces.length + done, total, degradation }),
    );
  const degraded = new Map([...named].map(([text, spec], at) => [text, rowsOf(spec, text, at + 1)]));
  const result = await measureRows(protocol, rowsOf(undefined, null, 0), { ...options, degraded });
  return result.leftOut === undefined ? result : { ...result, leftOut: { ...result.leftOut, ...tally.report() } };
}

/** The protocol's faces as rows that are embedded when they are read. */
function faceRows(
  options: EvaluateOptions,
  spec: DegradationSpec | undefined,
  onLeft: (place: number, left: LeftFace) => void,
  onDone: (done: number) => void,
): FaceRows {
  const { protocol, model, fusion = protocol.fusion, loader, store, signal } = options;
  const { data, faces, item, searches, degradable } = protocol;
  const { width } = model;
  const probes = new Set(degradable === "all" ? [] : searches.flatMap((search) => [...search.probes]));
  let alphas: Float32Array | undefined;
  return {
    count: faces.length,
    width,
    alpha: () => alphas,
    async read(start, count) {
      const out = new Float32Array(count * width);
      const request = (index: number) => {
        const { source, id, quality } = data.at(faces[start + index] as number);
        const worse = spec !== undefined && (degradable === "all" || probes.has(item[start + index] as number));
        // A face is degraded in the same way in every evaluation, whichever others are measured with it.
        return { source, flip: false, degrade: worse ? drawDegradation(spec, id) : undefined, quality };
      };
      const how = { embedder: model, loader, store, signal };
      const onLeftHere = (index: number, left: LeftFace): void => onLeft(start + index, left);
      for await (const part of embedFused(count, request, fusion, { ...how, onLeft: onLeftHere })) {
        out.set(part.data, part.start * width);
        if (part.alpha !== undefined) {
          alphas ??= new Float32Array(faces.length);
          alphas.set(part.alpha, start + part.start);
        }
        onDone(start + part.start + part.count);
      }
      return out;
    },
  };
}
