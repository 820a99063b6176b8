import { tallyOf } from "../../data/index.ts";
import type { EmbedFacesOptions, LeftFace } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type DegradationSpec, drawDegradation, parseDegradation, printDegradation } from "../../images/index.ts";
import type { RowSource } from "../../matching/index.ts";
import type { EvaluationResult } from "../results/types.ts";
import { embedFused } from "./fuse.ts";
import { type MatchOptions, measureMatch } from "./measure.ts";
import type { Fusion, MatchProtocol } from "./types.ts";

/** What to measure a protocol with. */
export interface EvaluateMatchOptions extends Omit<EmbedFacesOptions, "onLeft">, Omit<MatchOptions, "degraded"> {
  readonly protocol: MatchProtocol;
  /** The protocol's own unless given. */
  readonly fusion?: Fusion | undefined;
  /** Degrades the probes, where the protocol's faces are sharp; as `parseDegradation` reads it. */
  readonly degradation?: string | undefined;
  /** Called with the number of embedded faces; degraded ones count again. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * Measures a model on a protocol. Faces stream through the model once, in the protocol's order; memory does not hold their embeddings, only
 * the items'. Faces that cannot be read or have no finite embedding are left out and counted ({@link measureMatch}).
 *
 * @throws PetalfaceError if more than `data.mostLeftOut` (5 %) of the faces are left out
 */
export async function evaluateMatch(options: EvaluateMatchOptions): Promise<EvaluationResult> {
  const { protocol, degradation } = options;
  if (degradation !== undefined && !protocol.degradable)
    throw new PetalfaceError(`the faces of ${protocol.name} are of low quality already; leave out --degrade`, {
      exitCode: 2,
    });
  const spec = degradation === undefined ? undefined : parseDegradation(degradation);
  const { data, faces } = protocol;
  const { leave } = options;
  const length = faces.length - (leave?.count ?? 0);
  const tally = tallyOf({ spec: data.spec, length, unreadable: leave, mostLeftOut: data.mostLeftOut });
  tally.tried(length);
  const before = new Set(leave?.faces);
  const known = new Set([...faces.keys()].filter((place) => before.has(data.at(faces[place] as number).id)));
  const onLeft = (face: number, { message, kind }: LeftFace): void => {
    if (known.has(face)) return;
    known.add(face);
    tally.bad(message, kind);
  };
  const all = { ...options, onLeft };
  const result = await measureMatch(protocol, faceRows(all, undefined, 0), {
    ...options,
    degraded: spec && { degradation: printDegradation(spec), rows: faceRows(all, spec, faces.length) },
  });
  return result.leftOut === undefined ? result : { ...result, leftOut: { ...result.leftOut, ...tally.report() } };
}

/** The protocol's faces as rows that are embedded when they are read. */
function faceRows(
  options: EvaluateMatchOptions & Pick<EmbedFacesOptions, "onLeft">,
  spec: DegradationSpec | undefined,
  before: number,
): RowSource {
  const { protocol, embedder, onProgress } = options;
  const { data, faces, item, searches } = protocol;
  const { width } = embedder;
  const probes = new Set(searches.flatMap((search) => [...search.probes]));
  return {
    count: faces.length,
    width,
    async read(start, count) {
      const out = new Float32Array(count * width);
      const request = (index: number) => {
        const { source, id, quality } = data.at(faces[start + index] as number);
        // A probe is degraded in the same way in every evaluation; of the others the sharp embedding is kept already.
        const worse = spec !== undefined && probes.has(item[start + index] as number);
        return { source, flip: false, degrade: worse ? drawDegradation(spec, id) : undefined, quality };
      };
      const { store, loader, signal } = options;
      const onLeft = options.onLeft && ((face: number, left: LeftFace) => options.onLeft?.(start + face, left));
      for await (const part of embedFused(count, request, options.fusion ?? protocol.fusion, {
        embedder,
        loader,
        store,
        signal,
        onLeft,
      })) {
        out.set(part.data, part.start * width);
        onProgress?.(before + start + part.start + part.count);
      }
      return out;
    },
  };
}
