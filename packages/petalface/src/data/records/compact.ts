import { itemAt } from "onnx-grad";
import type { RecordIndex } from "./index-records.ts";

/** A number of each record, by its position in the set. Throws RangeError beyond it. */
type Lookup = (at: number) => number;

/** The records of a set in less memory than a {@link RecordIndex}: four bytes each, mostly. */
export interface CompactRecords {
  readonly length: number;
  readonly keyAt: Lookup;
  /** Where the record begins in the file, in bytes. */
  readonly offsetAt: Lookup;
  /** Its person, or -1. */
  readonly personAt: Lookup;
}

/**
 * Takes over a list of records. Keys without gaps are counted instead of kept, persons are kept as
 * runs of images, and places in the file as 32-bit steps from the least of their block. What has
 * another shape is kept as it is.
 */
export const compactRecords = ({
  keys,
  offsets,
  person,
}: Pick<RecordIndex, "keys" | "offsets" | "person">): CompactRecords => ({
  length: keys.length,
  keyAt: withoutGaps(keys),
  offsetAt: stepsOf(offsets),
  personAt: runsOf(person),
});

const lookup =
  (values: { readonly [index: number]: number; readonly length: number }): Lookup =>
  (at) =>
    itemAt(values, at);

function requirePosition(at: number, length: number): void {
  if (!(Number.isInteger(at) && at >= 0 && at < length)) throw new RangeError(`record ${at} of ${length}`);
}

/** Ascending numbers; the first of them says all where there are no gaps. */
function withoutGaps(values: Uint32Array): Lookup {
  const { length } = values;
  if (length === 0) return lookup(values);
  const first = itemAt(values, 0);
  if (itemAt(values, length - 1) - first !== length - 1) return lookup(values);
  return (at) => {
    requirePosition(at, length);
    return first + at;
  };
}

/** Records of a block: its places in the file have one base. */
const block = 4096;
/** Records begin at multiples of it. */
const unit = 4;

function stepsOf(offsets: Float64Array): Lookup {
  const { length } = offsets;
  const bases = new Float64Array(Math.ceil(length / block));
  const steps = new Uint32Array(length);
  for (let number = 0; number < bases.length; number++) {
    const start = number * block;
    const inside = offsets.subarray(start, start + block);
    const base = inside.reduce((least, offset) => Math.min(least, offset));
    bases[number] = base;
    for (let at = 0; at < inside.length; at++) {
      const step = (itemAt(inside, at) - base) / unit;
      if (!Number.isInteger(step) || step >= 2 ** 32) return lookup(offsets);
      steps[start + at] = step;
    }
  }
  return (at) => {
    requirePosition(at, length);
    return itemAt(bases, Math.floor(at / block)) + unit * itemAt(steps, at);
  };
}

function runsOf(values: Int32Array): Lookup {
  const { length } = values;
  let count = 0;
  for (let at = 0; at < length; at++) if (begins(values, at)) count++;
  // A run takes two numbers, a value by itself one.
  if (2 * count >= length) return lookup(values);
  const [starts, people] = [new Uint32Array(count), new Int32Array(count)];
  let run = 0;
  for (let at = 0; at < length; at++) {
    if (!begins(values, at)) continue;
    starts[run] = at;
    people[run++] = itemAt(values, at);
  }
  // Walks through the whole set ask for one after the other.
  let last = 0;
  const holds = (at: number, run: number): boolean =>
    itemAt(starts, run) <= at && (run + 1 === count || at < itemAt(starts, run + 1));
  return (at) => {
    requirePosition(at, length);
    if (!holds(at, last)) last = last + 1 < count && holds(at, last + 1) ? last + 1 : runAt(starts, at);
    return itemAt(people, last);
  };
}

/** A function of its own: a lookup would keep what a function inside {@link runsOf} uses. */
const begins = (values: Int32Array, at: number): boolean => at === 0 || values[at] !== values[at - 1];

/** The last run that begins at `at` or before it. */
function runAt(starts: Uint32Array, at: number): number {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (itemAt(starts, middle) <= at) low = middle;
    else high = middle;
  }
  return low;
}
