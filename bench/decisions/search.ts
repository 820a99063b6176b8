import {
  buildTemplates,
  type Candidate,
  type EnrolledVectors,
  type FaceEmbedding,
  openSearcher,
  type PersonSearcher,
  type TemplateRule,
} from "petalface/gallery";
import { normaliseRows } from "petalface/matching";
import { withEnds } from "../skeleton/intervals.ts";
import { joinRows } from "../skeleton/linear.ts";
import { mean } from "../skeleton/statistics.ts";
import type { Describing } from "./describe.ts";
import type { Person } from "./faces.ts";
import { withInterval } from "./interval.ts";

/** Enrolled faces as a store would give them; `people` are their owners' numbers. */
export function enrolled(
  faces: readonly FaceEmbedding[],
  people: readonly number[],
  withCopies: boolean,
): EnrolledVectors {
  const width = faces[0]?.vector.length ?? 1;
  return {
    width,
    faces: Int32Array.from(faces.keys()),
    people: Int32Array.from(people),
    vectors: joinRows(faces.map(({ vector }) => vector)),
    copies: withCopies ? joinRows(faces.map(({ copies }) => copies)) : new Float32Array(faces.length * width),
    alpha: Float32Array.from(faces, ({ alpha }) => alpha),
    score: new Float64Array(faces.length),
  };
}

/** A gallery of everybody's first photo; people are numbered in their order. */
export async function enrolFirst(
  model: Describing,
  people: readonly Person[],
  copies: readonly number[] = [],
): Promise<EnrolledVectors> {
  const views = people.map(({ photos }) => ({ photo: photos[0] }));
  return enrolled(await model.describe(views, copies), [...people.keys()], copies.length > 0);
}

/**
 * Rank-1 in per cent, with its interval over people.
 *
 * @param searches whose each was, and whether it found them
 */
export function rank1(searches: readonly { readonly place: number; readonly hit: boolean }[]): string {
  const people = [...Map.groupBy(searches, ({ place }) => place).values()];
  return withEnds(withInterval(people, (chosen) => mean(chosen.flat().map(({ hit }) => Number(hit)))));
}

/** Opens search for people. */
export const openPeople = (gallery: EnrolledVectors, rule: TemplateRule): PersonSearcher =>
  openSearcher(buildTemplates(gallery, rule), { threads: 1 });

/** The nearest people of each probe. */
export async function nearest(
  gallery: EnrolledVectors,
  rule: TemplateRule,
  probes: readonly { readonly vector: Float32Array; readonly alpha: number }[],
  top = 1,
): Promise<Candidate[][]> {
  const rows = joinRows(probes.map(({ vector }) => vector));
  await using searcher = openPeople(gallery, rule);
  const alpha = probes.map((probe) => probe.alpha);
  return await searcher.search({ rows: normaliseRows(rows, gallery.width), alpha }, top);
}
