import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { ImageRequest } from "../images/index.ts";
import type { Ranks } from "../ranks.ts";
import { type EmbeddedFaces, type EmbedFacesOptions, embedHere, type LeftFace } from "./embed.ts";

/**
 * Numbers beyond a face's embedding that ranks give each other: its alpha, and whether it is left.
 */
const extra = 2;

/**
 * Embeds `count` faces in their order, some at a time ({@link embedHere}). With `ranks` the
 * processes divide the work, and each gets all rows.
 *
 * @throws PetalfaceError if a face has no embedding and `onLeft` is not given, or the store cannot
 * be written
 */
export async function* embedFaces(
  count: number,
  request: (index: number) => ImageRequest,
  options: EmbedFacesOptions,
): AsyncGenerator<EmbeddedFaces> {
  const { ranks, store } = options;
  if (ranks === undefined || ranks.count === 1) return yield* embedHere(count, request, options);
  if (store !== undefined) throw new Error("ranks that divide the work share no store");
  yield* embedDivided(count, request, { ...options, ranks });
}

/**
 * As {@link embedHere} without a store, for several ranks that all embed the same faces: each
 * computes every so many batches, and all get all rows. A row's bits do not depend on the rank.
 */
async function* embedDivided(
  count: number,
  request: (index: number) => ImageRequest,
  options: Omit<EmbedFacesOptions, "store"> & { readonly ranks: Ranks },
): AsyncGenerator<EmbeddedFaces> {
  const { ranks, onLeft, ...own } = options;
  const { width, batch } = own.embedder;
  const batches = Math.ceil(count / batch);
  const sizeOf = (number: number): number => Math.min(batch, count - number * batch);
  const mine = Array.from({ length: batches }, (_, number) => number).filter(
    (number) => number % ranks.count === ranks.rank,
  );
  const total = mine.reduce((sum, number) => sum + sizeOf(number), 0);
  let left = new Map<number, LeftFace>();
  const placeOf = (index: number): number => itemAt(mine, Math.floor(index / batch)) * batch + (index % batch);
  const parts = embedHere(total, (index) => request(placeOf(index)), {
    ...own,
    onLeft: (index, why) => void left.set(index % batch, why),
  });
  try {
    for (let first = 0; first < batches; first += ranks.count) {
      const next = first + ranks.rank < batches ? await parts.next() : undefined;
      const rows = next === undefined || next.done ? undefined : next.value;
      const all = await ranks.gather([recordsOf(rows, width, batch)]);
      // Read out before another exchange may overwrite it.
      const round = all.map(([records = new Float32Array(0)]) => records.slice());
      const anyLeft = round.some((records) => leftRows(records, width, batch).length > 0);
      const reasons = anyLeft ? await ranks.gatherTexts(JSON.stringify([...left])) : [];
      left = new Map();
      for (const [rank, records] of round.entries()) {
        const number = first + rank;
        if (number >= batches) break;
        const part = facesOf(records, { start: number * batch, count: sizeOf(number), width });
        const why = new Map(JSON.parse(reasons[rank] ?? "[]") as [number, LeftFace][]);
        for (const row of part.left) {
          const { kind, message } = why.get(row) ?? { kind: "unreadable", message: "" };
          if (onLeft === undefined)
            throw new PetalfaceError(kind === "notFinite" ? "PETAL_NOT_FINITE" : "PETAL_DATA_DAMAGED", message);
          onLeft(part.start + row, { kind, message });
        }
        yield part;
      }
    }
  } finally {
    await parts.return(undefined);
  }
}

/** A batch as ranks give it to each other: `batch x (width + 2)`. */
function recordsOf(rows: EmbeddedFaces | undefined, width: number, batch: number): Float32Array {
  const records = new Float32Array(batch * (width + extra));
  for (let row = 0; row < (rows?.count ?? 0); row++) {
    const record = records.subarray(row * (width + extra), (row + 1) * (width + extra));
    record.set(rows?.data.subarray(row * width, (row + 1) * width) ?? []);
    // Infinity stands for a model that judges no quality: alpha itself is finite, or NaN.
    record[width] = rows?.alpha?.[row] ?? Number.POSITIVE_INFINITY;
    record[width + 1] = rows?.left.includes(row) ? 1 : 0;
  }
  return records;
}

const leftRows = (records: Float32Array, width: number, count: number): number[] =>
  Array.from({ length: count }, (_, row) => row).filter((row) => records[row * (width + extra) + width + 1] === 1);

function facesOf(
  records: Float32Array,
  { start, count, width }: { readonly start: number; readonly count: number; readonly width: number },
): EmbeddedFaces {
  const data = new Float32Array(count * width);
  const alpha = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    const record = records.subarray(row * (width + extra), (row + 1) * (width + extra));
    data.set(record.subarray(0, width), row * width);
    alpha[row] = itemAt(record, width);
  }
  const judged = alpha[0] !== Number.POSITIVE_INFINITY;
  return { start, count, data, alpha: judged ? alpha : undefined, left: leftRows(records, width, count), kept: 0 };
}
