import type { NearestPeople, NearPerson } from "../results/types.ts";
import type { Search } from "./types.ts";

/** Probes of a search that are looked at. */
const shownProbes = 6;
/** People that are listed for each. */
const shownPeople = 5;

/** Unit rows, one an item: of the gallery as given, and of the probes as they were shown. */
interface SearchRows {
  readonly given: Float32Array;
  readonly probes: Float32Array;
  readonly width: number;
}

/**
 * The nearest people of a few probes. The probes are evenly spaced among those whose person is
 * enrolled, so that no result has a part in the choice, and two models are shown for the same ones.
 *
 * @param person person of each item, -1 for a distractor
 */
export function nearestPeople(
  { probes, gallery }: Pick<Search, "probes" | "gallery">,
  person: Int32Array,
  { given, probes: shown, width }: SearchRows,
): NearestPeople["probes"] {
  // How many faces of each person are enrolled: a probe that is enrolled itself is no mate.
  const enrolled = new Map<number, number>();
  for (const item of gallery) {
    const who = person[item];
    enrolled.set(who, (enrolled.get(who) ?? 0) + 1);
  }
  const own = new Set(gallery);
  const mated = probes.filter((item) => {
    const who = person[item];
    return who >= 0 && (enrolled.get(who) ?? 0) > (own.has(item) ? 1 : 0);
  });
  const count = Math.min(shownProbes, mated.length);
  return Array.from({ length: count }, (_, place) => {
    const item = mated[Math.floor((place * mated.length) / count)];
    const row = shown.subarray(item * width, (item + 1) * width);
    const best = new Map<string, NearPerson>();
    for (const face of gallery) {
      if (face === item) continue;
      const who = person[face];
      let score = 0;
      for (let i = 0; i < width; i++) score += row[i] * given[face * width + i];
      // Distractors are unknown people: each is one of its own.
      const key = who < 0 ? `distractor ${face}` : String(who);
      if (score > (best.get(key)?.score ?? Number.NEGATIVE_INFINITY)) best.set(key, { item: face, person: who, score });
    }
    const nearest = [...best.values()].sort((a, b) => b.score - a.score || a.item - b.item).slice(0, shownPeople);
    return { item, person: person[item], nearest };
  });
}
