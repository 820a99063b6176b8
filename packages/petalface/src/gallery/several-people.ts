import { itemAt } from "onnx-grad";
import { addScaled } from "../matching/index.ts";
import { cosineWith, type GateReason, type PersonSum } from "./gate.ts";

/** A face that speaks against its name only together with others. */
export interface Doubt {
  readonly reason: Extract<GateReason, "not like the person's other faces" | "two people under one name">;
  /** Of the mean of its group with that of the others. */
  readonly cosine: number;
  /** Number of a face that shows the other person; undefined where only the gallery has any. */
  readonly unlike: number | undefined;
}

/** Rounds in which faces change their group; there is hardly ever a third. */
const mostRounds = 10;
/**
 * More groups are no few people under one name but photos that resemble nothing, or a folder of
 * strangers. The gate compares each of these alone; groups of thousands would take hours.
 */
const mostGroups = 64;
/** A group is the person's where it has at least so many times the faces of the next one. */
const majority = 2;

/**
 * Finds whole groups of faces under one name that show another person: two photos or more of
 * somebody else confirm each other, so that each alone looks like "the person's other faces".
 *
 * @param units unit embeddings of the new faces under one name
 * @param enrolled the faces that have the name already
 * @param level a lower cosine is what strangers have
 * @returns doubts by the number of the face; none where there are more than 64 groups
 */
export function findSeveralPeople(
  units: readonly Float32Array[],
  enrolled: PersonSum,
  level: number,
): Map<number, Doubt> {
  const groups = groupsOf(units, level)
    // One face alone is compared with all others by the gate itself.
    .filter((group) => group.length > 1)
    .sort((one, other) => other.length - one.length);
  const out = new Map<number, Doubt>();
  const doubt = (group: readonly number[], reason: Doubt["reason"], cosine: number, unlike?: number): void => {
    for (const face of group) out.set(face, { reason, cosine, unlike });
  };
  if (enrolled.faces > 0) {
    for (const group of groups) {
      const cosine = cosineOf(sumOf(units, group), enrolled.sum);
      if (cosine < level) doubt(group, "not like the person's other faces", cosine);
    }
    return out;
  }
  const [largest, ...others] = groups;
  const [next] = others;
  if (largest === undefined || next === undefined) return out;
  const isClear = largest.length >= majority * next.length;
  for (const group of others) {
    const cosine = cosineOf(sumOf(units, group), sumOf(units, largest));
    doubt(group, isClear ? "not like the person's other faces" : "two people under one name", cosine, largest[0]);
  }
  if (!isClear)
    doubt(largest, "two people under one name", cosineOf(sumOf(units, largest), sumOf(units, next)), next[0]);
  return out;
}

const sumOf = (units: readonly Float32Array[], faces: readonly number[]): Float32Array => {
  const sum = new Float32Array(units[0]?.length ?? 0);
  for (const face of faces) addScaled(sum, itemAt(units, face));
  return sum;
};

/** Cosine of two sums. */
function cosineOf(one: Float32Array, other: Float32Array): number {
  const length = Math.hypot(...one);
  return length === 0 ? Number.NaN : cosineWith(one, other) / length;
}

/**
 * Puts faces together that are nearer to a group's mean than strangers are: first one after the
 * other, then each to its nearest group until nothing changes. Groups that are as near become one.
 * Returns none where there are too many.
 */
function groupsOf(units: readonly Float32Array[], level: number): number[][] {
  let groups: number[][] = [];
  for (let round = 0; round < mostRounds; round++) {
    const sums = groups.map((group) => sumOf(units, group));
    const next: number[][] = groups.map(() => []);
    for (const [face, unit] of units.entries()) {
      let [best, cosine] = [-1, level];
      for (const [group, sum] of sums.entries()) {
        const own = cosineWith(unit, sum);
        if (own >= cosine) [best, cosine] = [group, own];
      }
      if (best === -1) {
        best = sums.length;
        if (best === mostGroups) return [];
        sums.push(new Float32Array(unit.length));
        next.push([]);
      }
      itemAt(next, best).push(face);
      // In the first round there is no mean but of those who came before.
      if (round === 0 || groups[best] === undefined) addScaled(itemAt(sums, best), unit);
    }
    const joined = join(units, next, level);
    const isSame = JSON.stringify(joined) === JSON.stringify(groups);
    groups = joined;
    if (isSame) break;
  }
  return groups;
}

/** Joins the two nearest groups as long as they are nearer than strangers are. */
function join(units: readonly Float32Array[], groups: readonly number[][], level: number): number[][] {
  let left = groups.filter((group) => group.length > 0);
  for (;;) {
    const sums = left.map((group) => sumOf(units, group));
    let nearest = { one: -1, other: -1, cosine: level };
    for (let other = 1; other < sums.length; other++)
      for (let one = 0; one < other; one++) {
        const cosine = cosineOf(itemAt(sums, one), itemAt(sums, other));
        if (cosine >= nearest.cosine) nearest = { one, other, cosine };
      }
    const { one, other } = nearest;
    if (one === -1) return left;
    const both = [...itemAt(left, one), ...itemAt(left, other)].sort((a, b) => a - b);
    left = left.map((group, at) => (at === one ? both : group)).filter((_, at) => at !== other);
  }
}
