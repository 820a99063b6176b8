import { fewestPeople, significance } from "petalface/portable";
import type { Measured } from "./measure.ts";

/**
 * What the differences come to, in one or two sentences. Fewer held-out people than the bootstrap
 * can carry give no verdict, and p values are corrected for the number of measures (Holm): the same
 * rule as in `petalface compare` and its report.
 */
export function verdictOf({ people, kind, comparisons }: Pick<Measured, "people" | "kind" | "comparisons">): string {
  if (people < fewestPeople) {
    const more = kind === "pictures" ? " One picture in four is kept back: choose more pictures." : "";
    return `Too few faces to tell what is chance: ${people} held-out people where at least ${fewestPeople} are needed.${more}`;
  }
  const sure = comparisons.filter(({ corrected, difference }) => corrected < significance && difference.value !== 0);
  if (sure.length === 0) return "No difference is beyond chance: more faces or more steps may show one.";
  const better = sure.filter(({ difference }) => difference.value > 0).length;
  const worse = sure.length - better;
  return `${better} of ${comparisons.length} measures are better beyond chance${worse > 0 ? `, ${worse} worse` : ""}.`;
}
