import { instantiateOn, type SharedMemory } from "../scan/wasm.ts";
import { headBytes, sketchBits, tailBytes } from "./layout.ts";
import type { NearExports, RefineExports } from "./wasm.ts";

/** What a scan reads and writes in memory: the same for all that one thread does. */
export interface ScanPlace {
  /** Modules that compare the first signs, and the others. */
  readonly near: object;
  readonly refine: object;
  readonly memory: SharedMemory;
  /** Address of {@link scratchBytes} that are its own. */
  readonly scratch: number;
}

/** Rows to compare with a probe. */
export interface SketchRequest {
  /** Addresses in memory of all first signs, and of the others. */
  readonly heads: number;
  readonly tails: number;
  /** The rows: from `start` to before `end` of all. */
  readonly start: number;
  readonly end: number;
  /** The probe's sketch. */
  readonly sketch: Uint32Array;
  /** How many rows are compared by all their signs, about, and how many are wanted. */
  readonly kept: number;
  readonly most: number;
}

/** The nearest rows, with how many signs differ: in no order. */
export interface NearRows {
  readonly rows: Int32Array;
  readonly differing: Int32Array;
}

/** Rows that are compared before their results are looked at. */
const rowsAtOnce = 32_768;
/** Rows whose distances say how near the nearest ones are: in so many places, so many in a row. */
const sample = { places: 16, rows: 1024 } as const;
const headBits = 8 * headBytes;
const probeBytes = headBytes + tailBytes;

/** Bytes that a scan needs: the probe, where the results end, and the results. */
export const scratchBytes = probeBytes + 8 + 8 * rowsAtOnce;

/** The lowest distance within which there are `wanted` of the counted ones. */
function distanceWithin(counts: Int32Array, wanted: number): number {
  let sum = 0;
  for (let distance = 0; distance < counts.length; distance++) {
    sum += counts[distance];
    if (sum >= wanted) return distance;
  }
  return counts.length - 1;
}

/** Opens a scan of rows; {@link ScanPlace.memory} may grow later. */
export function openScan({ memory, scratch, ...modules }: ScanPlace): (request: SketchRequest) => NearRows {
  const { near } = instantiateOn<NearExports>(modules.near, memory);
  const { refine } = instantiateOn<RefineExports>(modules.refine, memory);
  const [probe, found, out] = [scratch, scratch + probeBytes, scratch + probeBytes + 8];
  return ({ heads, tails, start, end, sketch, kept, most }) => {
    new Uint32Array(memory.buffer, probe, probeBytes / 4).set(sketch);
    const results = new Int32Array(memory.buffer, out, 2 * rowsAtOnce);
    /** Rows whose first signs differ in at most `within`: how many, and in `results` which. */
    const compare = (from: number, to: number, within: number): number => {
      near(heads + headBytes * from, from, to, probe, within, out, found);
      return (new Int32Array(memory.buffer, found, 1)[0] - out) / 8;
    };
    let within = headBits;
    if (end - start > 2 * sample.places * sample.rows) {
      const counts = new Int32Array(headBits + 1);
      let seen = 0;
      for (let place = 0; place < sample.places; place++) {
        const from = start + Math.floor((place * (end - start - sample.rows)) / (sample.places - 1));
        const count = compare(from, from + sample.rows, headBits);
        for (let at = 0; at < count; at++) counts[results[2 * at + 1]]++;
        seen += count;
      }
      within = distanceWithin(counts, (seen * kept) / (end - start));
    }
    const rows: number[] = [];
    const differing: number[] = [];
    const counts = new Int32Array(sketchBits + 1);
    for (let from = start; from < end; from += rowsAtOnce) {
      const count = compare(from, Math.min(end, from + rowsAtOnce), within);
      refine(tails, out, out + 8 * count, probe + headBytes);
      for (let at = 0; at < count; at++) {
        const bits = results[2 * at + 1];
        rows.push(results[2 * at]);
        differing.push(bits);
        counts[bits]++;
      }
    }
    const limit = distanceWithin(counts, most);
    const chosen = [...rows.keys()].filter((at) => differing[at] <= limit);
    return {
      rows: Int32Array.from(chosen, (at) => rows[at]),
      differing: Int32Array.from(chosen, (at) => differing[at]),
    };
  };
}
