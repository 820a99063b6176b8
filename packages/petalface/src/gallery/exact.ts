import { createTopK } from "../matching/index.ts";
import type { Candidate } from "./candidate.ts";
import { evenly } from "./evenly.ts";
import { release } from "./release.ts";
import { mostProbes, openScanner } from "./scan/scanner.ts";
import { candidateCosines } from "./score.ts";
import type { GallerySearcher, Probes } from "./search.ts";
import type { GalleryStore } from "./store.ts";
import { qualityWeight, type TemplateRule } from "./templates.ts";
import type { FaceCodes } from "./types.ts";

/** Places of the scanner's results. */
const sharpSlot = 0;
const copiesSlot = 1;

/** What the approximate cosine of a person is made of, apart from products with the probe. */
interface People {
  /** Ids, ascending. */
  readonly ids: Int32Array;
  /** Place in `ids`, one a face. */
  readonly placeOf: Int32Array;
  /** Weight of a face within its person's template; all are 1 unless given. */
  readonly weights: Float32Array | undefined;
}

/**
 * Opens exact search in 8 bits: every face of the gallery is multiplied as 8-bit codes, whose
 * rounding error is known for each row. Only people whose cosine may be among the nearest within
 * those errors are then read from the store and compared in float32. So the answer is that of a
 * comparison with everybody; memory holds a byte a number.
 *
 * @param rule how a person's faces answer
 */
export async function openExactSearcher(
  store: Pick<GalleryStore, "record" | "codes" | "read">,
  rule: TemplateRule,
  session: { readonly threads?: number | undefined },
): Promise<GallerySearcher> {
  const { width } = (await store.record()).space;
  const scanner = openScanner(width, Math.max(1, session.threads ?? 1));
  let codes: FaceCodes;
  try {
    codes = await store.codes(scanner.memory);
  } catch (error) {
    await scanner[Symbol.asyncDispose]();
    throw error;
  }
  const people = peopleOf(codes, rule);
  const lengths = rule === "best" ? undefined : templateLengths(codes, people);
  const errors = rule === "best" ? new Float64Array() : templateErrors(codes, people);
  const parts = partsOf(codes);
  const sampled = Int32Array.from(evenly(codes.faces, Math.min(mostSampled, largeSample(codes.count))));
  release(codes.faces);
  if (people.weights === undefined) release(codes.alpha);
  // Of templates the sums are known.
  if (rule !== "best") for (const rows of [codes.sharp, codes.copies]) if (rows !== null) release(rows.error);

  const count = people.ids.length;
  const [low, high] = [new Float32Array(count), new Float32Array(count)];
  const sum = new Float64Array(lengths === undefined ? 0 : count);

  /**
   * Lower and upper bounds of the cosines of all people with one probe. The next call writes into
   * the same arrays: of a million people megabytes would otherwise be left behind by each search.
   */
  function boundsOf(sharp: Float32Array, copies: Float32Array | undefined, weight: number) {
    low.fill(Number.NEGATIVE_INFINITY);
    high.fill(Number.NEGATIVE_INFINITY);
    const probe = scanner.probeError;
    const ofRow = (row: number): number => sharp[row] + (copies === undefined ? 0 : weight * copies[row]);
    const errorOf = (row: number): number =>
      codes.sharp.error[row] + (codes.copies === null ? 0 : weight * codes.copies.error[row]);
    if (lengths === undefined && weight === 0)
      // As below for faces of length 1, without what a million square roots cost.
      for (let row = 0; row < codes.count; row++) {
        const bound = codes.sharp.error[row] + probe + slack;
        const cosine = sharp[row];
        const place = people.placeOf[row];
        if (cosine + bound > high[place]) high[place] = cosine + bound;
        if (cosine - bound > low[place]) low[place] = cosine - bound;
      }
    else if (lengths === undefined)
      for (let row = 0; row < codes.count; row++) {
        const [mixed, squares] = [codes.mixed[row], codes.squares[row]];
        const length = Math.sqrt(Math.max(1 + 2 * weight * mixed + weight * weight * squares, 1e-12));
        const norm = 1 + weight * Math.sqrt(squares);
        const bound = (errorOf(row) + probe * norm) / length + slack;
        const cosine = ofRow(row) / length;
        const place = people.placeOf[row];
        if (cosine + bound > high[place]) high[place] = cosine + bound;
        if (cosine - bound > low[place]) low[place] = cosine - bound;
      }
    else {
      sum.fill(0);
      const { weights } = people;
      for (let row = 0; row < codes.count; row++) {
        const place = people.placeOf[row];
        sum[place] = sum[place] + (weights === undefined ? 1 : weights[row]) * ofRow(row);
      }
      for (let place = 0; place < count; place++) {
        // No part of the array is taken out: that would cost more than all the rest.
        const own = lengths[parts.lengths * place];
        const mixed = parts.lengths === 1 ? 0 : lengths[parts.lengths * place + 1];
        const small = parts.lengths === 1 ? 0 : lengths[parts.lengths * place + 2];
        const length = Math.sqrt(Math.max(own + 2 * weight * mixed + weight * weight * small, 1e-12));
        const cosine = sum[place] / length;
        // Of the direction: the template's rounding turns it by at most twice its share of the
        // length.
        const norm = (Math.sqrt(own) + weight * Math.sqrt(small)) / length;
        const error =
          errors[parts.errors * place] + (parts.errors === 1 ? 0 : weight * errors[parts.errors * place + 1]);
        const bound = (2 * error) / length + probe * norm + slack;
        high[place] = cosine + bound;
        low[place] = cosine - bound;
      }
    }
    return { low, high };
  }

  async function one(
    bounds: ReturnType<typeof boundsOf>,
    unit: Float32Array,
    weight: number,
    top: number,
    own: number,
  ) {
    const best = createTopK(1, Math.min(top, people.ids.length));
    best.offer(0, bounds.low, 0, bounds.low.length, 0, own);
    const floor = best.finish().scores.at(-1) ?? Number.NEGATIVE_INFINITY;
    const chosen: number[] = [];
    for (let place = 0; place < bounds.high.length; place++)
      if (bounds.high[place] >= floor && place !== own) chosen.push(people.ids[place]);
    return await candidateCosines(store, chosen, rule, unit, weight, top);
  }

  return {
    kind: "exact, 8 bits",
    faces: codes.count,
    people: people.ids.length,
    sample: (most) => store.read({ faces: evenly(sampled, most) }),
    async search({ rows, alpha, without }: Probes, top, signal) {
      const total = rows.length / width;
      const out: Candidate[][] = [];
      for (let start = 0; start < total; start += mostProbes) {
        signal?.throwIfAborted();
        const some = Math.min(mostProbes, total - start);
        if (codes.count === 0 || top < 1) {
          out.push(...Array.from({ length: some }, () => []));
          continue;
        }
        const units = rows.subarray(start * width, (start + some) * width);
        const weights = Array.from({ length: some }, (_, at) => 1 - Math.min(1, Math.max(0, alpha[start + at])));
        const sharp = await scanner.scan(codes.sharp, units, sharpSlot);
        const copies =
          codes.copies !== null && weights.some((weight) => weight > 0)
            ? await scanner.scan(codes.copies, units, copiesSlot)
            : undefined;
        for (let at = 0; at < some; at++) {
          const part = (all: Float32Array): Float32Array => all.subarray(at * codes.count, (at + 1) * codes.count);
          const weight = codes.copies === null ? 0 : weights[at];
          const bounds = boundsOf(part(sharp), copies && part(copies), weight);
          const own = people.ids.indexOf(without?.[start + at] ?? -1);
          out.push(await one(bounds, units.subarray(at * width, (at + 1) * width), weight, top, own));
        }
      }
      return out;
    },
    [Symbol.asyncDispose]: () => scanner[Symbol.asyncDispose](),
  };
}

/**
 * Faces that stand in for strangers: fewer of a larger gallery, so that comparing them takes no
 * longer.
 */
const largeSample = (faces: number): number => Math.max(128, Math.floor(2 ** 28 / Math.max(1, faces)));
/** More are not asked for. */
const mostSampled = 4096;

/** Added to each bound: sums of float32 are rounded too. */
const slack = 1e-5;

/** The result has the memory of `people` and `alpha`, which are not read after this. */
function peopleOf({ people, alpha }: FaceCodes, rule: TemplateRule): People {
  const ids = distinct(people);
  const placeOf = people;
  // Faces of a person mostly come behind each other, and later people have higher ids.
  let place = 0;
  for (let face = 0; face < people.length; face++) {
    const id = people[face];
    if (ids[place] !== id) place = ids[place + 1] === id ? place + 1 : placeIn(ids, id);
    placeOf[face] = place;
  }
  if (rule !== "quality") return { ids, placeOf, weights: undefined };
  for (let face = 0; face < alpha.length; face++) alpha[face] = qualityWeight(alpha[face]);
  return { ids, placeOf, weights: alpha };
}

/** The different values, ascending. */
function distinct(values: Int32Array): Int32Array {
  const sorted = values.slice().sort();
  let count = 0;
  for (let at = 0; at < sorted.length; at++)
    if (at === 0 || sorted[at] !== sorted[count - 1]) {
      sorted[count] = sorted[at];
      count++;
    }
  const out = sorted.slice(0, count);
  release(sorted);
  return out;
}

/** Where an id is among ascending ones (halving). */
function placeIn(ids: Int32Array, id: number): number {
  let [low, high] = [0, ids.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle] < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Rows by place: those of place p are `rows[starts[p]]` to `rows[starts[p + 1] - 1]`; without
 * `rows`, where they are in that order already, `starts[p]` to `starts[p + 1] - 1`.
 */
function rowsByPlace(
  placeOf: Int32Array,
  places: number,
): { readonly starts: Int32Array; readonly rows: Int32Array | undefined } {
  const starts = new Int32Array(places + 1);
  let isSorted = true;
  for (let row = 0; row < placeOf.length; row++) {
    const place = placeOf[row];
    starts[place + 1] = starts[place + 1] + 1;
    if (row > 0 && place < placeOf[row - 1]) isSorted = false;
  }
  for (let place = 0; place < places; place++) starts[place + 1] = starts[place + 1] + starts[place];
  if (isSorted) return { starts, rows: undefined };
  const next = starts.slice(0, places);
  const rows = new Int32Array(placeOf.length);
  placeOf.forEach((place, row) => {
    const at = next[place];
    rows[at] = row;
    next[place] = at + 1;
  });
  return { starts, rows };
}

/** Numbers that are kept of each person's template; those of copies only where there are any. */
const partsOf = ({ copies }: FaceCodes): { readonly lengths: 1 | 3; readonly errors: 1 | 2 } =>
  copies === null ? { lengths: 1, errors: 1 } : { lengths: 3, errors: 2 };

/**
 * Of each person's template how much rounding took from its sharp part, and from its copies, at
 * most.
 */
function templateErrors(codes: FaceCodes, { ids, placeOf, weights }: People): Float64Array {
  const { count, sharp, copies } = codes;
  const parts = partsOf(codes).errors;
  const out = new Float64Array(parts * ids.length);
  for (let row = 0; row < count; row++) {
    const at = parts * placeOf[row];
    const share = weights === undefined ? 1 : weights[row];
    out[at] = out[at] + share * sharp.error[row];
    if (copies !== null) out[at + 1] = out[at + 1] + share * copies.error[row];
  }
  return out;
}

/**
 * Of each person's template, as the codes say it: |sharp|^2, and where there are copies
 * sharp . copies and |copies|^2. A person with one face has them already. What float32 rounds is
 * within `slack`.
 */
function templateLengths(codes: FaceCodes, { ids, placeOf, weights }: People): Float32Array {
  const { width, stride, sharp, copies, mixed, squares } = codes;
  const parts = partsOf(codes).lengths;
  const out = new Float32Array(parts * ids.length);
  const { starts, rows } = rowsByPlace(placeOf, ids.length);
  const [one, other] = [new Float64Array(width), new Float64Array(width)];
  const add = (to: Float64Array, from: Int8Array, start: number, factor: number): void => {
    for (let at = 0; at < width; at++) to[at] = to[at] + factor * from[start + at];
  };
  const rowAt = (at: number): number => (rows === undefined ? at : rows[at]);
  const put = (place: number, own: number, both: number, small: number): void => {
    out[parts * place] = own;
    if (parts === 1) return;
    out[parts * place + 1] = both;
    out[parts * place + 2] = small;
  };
  for (let place = 0; place < ids.length; place++) {
    // No arrays here: of a million people they would be garbage of many megabytes.
    const start = starts[place];
    const end = starts[place + 1];
    if (end === start + 1) {
      const first = rowAt(start);
      const share = weights === undefined ? 1 : weights[first] ** 2;
      put(place, share, share * mixed[first], share * squares[first]);
      continue;
    }
    one.fill(0);
    other.fill(0);
    for (let at = start; at < end; at++) {
      const row = rowAt(at);
      const share = weights === undefined ? 1 : weights[row];
      add(one, sharp.codes, row * stride, share * sharp.scale[row]);
      if (copies !== null) add(other, copies.codes, row * stride, share * copies.scale[row]);
    }
    let own = 0;
    let both = 0;
    let small = 0;
    for (let at = 0; at < width; at++) own += one[at] ** 2;
    if (copies !== null)
      for (let at = 0; at < width; at++) {
        both += one[at] * other[at];
        small += other[at] ** 2;
      }
    put(place, own, both, small);
  }
  return out;
}
