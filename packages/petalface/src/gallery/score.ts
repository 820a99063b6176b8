import type { Candidate } from "./candidate.ts";
import type { GalleryStore } from "./store.ts";
import { buildTemplates, type TemplateRule, templateLength } from "./templates.ts";

/** People who are read from the store at once. */
const peopleAtOnce = 1000;

/**
 * Compares a probe with some people in float32. Returns the `top` nearest, nearest first; of equal
 * ones the lower id.
 *
 * @param people ids
 * @param unit the probe, of length 1
 * @param weight of the copies
 */
export async function candidateCosines(
  store: Pick<GalleryStore, "read">,
  people: readonly number[],
  rule: TemplateRule,
  unit: Float32Array,
  weight: number,
  top: number,
): Promise<Candidate[]> {
  const best = new Map<number, number>();
  for (let start = 0; start < people.length; start += peopleAtOnce) {
    const templates = buildTemplates(await store.read({ people: people.slice(start, start + peopleAtOnce) }), rule);
    const { width, count, rows } = templates;
    for (let row = 0; row < count; row++) {
      let [sharp, copies] = [0, 0];
      const from = 2 * row * width;
      for (let at = 0; at < width; at++) {
        const value = unit[at];
        sharp += value * rows[from + at];
        copies += value * rows[from + width + at];
      }
      const cosine = (sharp + weight * copies) / templateLength(templates, row, weight);
      const person = templates.people[row];
      if (cosine > (best.get(person) ?? Number.NEGATIVE_INFINITY)) best.set(person, cosine);
    }
  }
  return [...best]
    .map(([person, cosine]) => ({ person, cosine }))
    .sort((a, b) => b.cosine - a.cosine || a.person - b.person)
    .slice(0, top);
}
