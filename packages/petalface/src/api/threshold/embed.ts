import { itemAt } from "onnx-grad";
import { openEmbedder } from "../../backbones/index.ts";
import { type FaceData, subset, tallyOf } from "../../data/index.ts";
import { embedFaces } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import { openResources } from "../../resources.ts";
import { type CacheOptions, openCache } from "../cache.ts";
import type { Engine, OpenedModel } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";

/** Embedded faces of known people, at unit length. */
export interface Faces {
  readonly data: FaceData;
  readonly rows: Float32Array;
  readonly alpha: Float32Array;
  /** Faces without an embedding. */
  readonly left: ReadonlySet<number>;
}

/**
 * More faces than this are not compared with each other: of larger sets, so many are taken evenly.
 */
const mostFaces = 2000;

/**
 * The faces of known people, at most {@link mostFaces}. Throws PetalfaceError where no people are
 * named.
 */
export function comparedFaces(data: FaceData): FaceData {
  const known = Array.from({ length: data.length }, (_, i) => i).filter((i) => data.at(i).person >= 0);
  if (known.length === 0)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${data.spec} does not say who its faces show; thresholds need people`,
    );
  if (known.length === data.length && known.length <= mostFaces) return data;
  const count = Math.min(known.length, mostFaces);
  return subset(
    data,
    Array.from({ length: count }, (_, i) => itemAt(known, Math.floor((i * known.length) / count))),
  );
}

/** Embeds the faces of a set as they are. */
export async function embedAll(
  data: FaceData,
  opened: OpenedModel,
  engine: Engine,
  options: CacheOptions,
  context: Surroundings,
): Promise<Faces> {
  const { model } = opened;
  await using open = openResources();
  const store = open.keep(await openCache(options, opened, engine, context));
  const embedder = open.keep(await openEmbedder(model, engine));
  const loader = open.keep(openLoader({ size: model.size, threads: engine.threads, faces: data.length }));
  const rows = new Float32Array(data.length * model.width);
  const alpha = new Float32Array(data.length).fill(1);
  const left = new Set<number>();
  const tally = tallyOf(data);
  tally.tried(data.length);
  const progress = context.progress("embedding", data.length, "faces");
  try {
    const request = (index: number) => {
      const { source, quality } = data.at(index);
      return { source, flip: false, quality };
    };
    const onLeft = (index: number, { message, kind }: { message: string; kind: "unreadable" | "notFinite" }): void => {
      left.add(index);
      tally.bad(message, kind);
    };
    const task = { embedder, loader, store, signal: context.signal, onLeft };
    for await (const part of embedFaces(data.length, request, task)) {
      rows.set(part.data.subarray(0, part.count * model.width), part.start * model.width);
      if (part.alpha) alpha.set(part.alpha.subarray(0, part.count), part.start);
      progress.update(part.start + part.count);
    }
  } finally {
    progress.close();
  }
  for (let face = 0; face < data.length; face++) {
    const row = rows.subarray(face * model.width, (face + 1) * model.width);
    const length = Math.hypot(...row);
    row.forEach((value, i) => {
      row[i] = length > 0 ? value / length : 0;
    });
  }
  return { data, rows, alpha, left };
}
