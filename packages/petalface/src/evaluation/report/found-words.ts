import { degradationLabel } from "../results/condition.ts";
import type { Condition, Estimate } from "../results/types.ts";
import type { FoundAtAlarms } from "../statistics/alarms.ts";
import { fewestPeople } from "../statistics/significance.ts";
import { verdict } from "./words.ts";

/** A share as a number of 100; with one decimal where `fine`. */
const of100 = (share: number, fine = false): string => (100 * share).toFixed(fine ? 1 : 0);

/** `faces at 16 px`; probes as given are `faces`. */
export function searchedFaces(condition: Condition): string {
  if (condition.kind === "sharp") return "faces";
  if (condition.kind === "named") return `faces of ${condition.name}`;
  const label = degradationLabel(condition.degradation);
  return / px$/.test(label) ? `faces at ${label}` : `faces degraded by ${label}`;
}

/** The threshold to set, rounded up: a higher one lets no more strangers through. */
export const printThreshold = (threshold: number): string => (Math.ceil(threshold * 1000 - 1e-9) / 1000).toFixed(3);

const range = ({ low, high }: Estimate): string => `${of100(low)} to ${of100(high)}`;

/** `one false alarm in 100 searches`. */
const alarmRate = (fpir: number): string =>
  `one false alarm in ${Math.round(1 / fpir).toLocaleString("en")} searches for strangers`;

/**
 * One sentence on what a model finds, and one on how sure that is: of 100 faces, at a rate of false
 * alarms, with the threshold to set. It claims a gain only where the difference is significant.
 */
export function foundWords(
  found: FoundAtAlarms,
  name: string,
): { readonly lead: string; readonly detail: string } | undefined {
  const { model, baseline, difference, condition, people, probes, gallery, alarms, asStrangers, fpir } = found;
  if (people < fewestPeople) return undefined;
  const faces = searchedFaces(condition);
  const set = `at ${alarmRate(fpir)}; set the threshold to ${printThreshold(model.threshold)}.`;
  const fine = baseline !== undefined && of100(model.value) === of100(baseline.value);
  const [now, before] = [of100(model.value, fine), baseline && of100(baseline.value, fine)];
  const sign = difference === undefined ? 0 : verdict(difference);
  const lead =
    before === undefined
      ? `Of 100 ${faces}, ${name} finds ${now}, ${set}`
      : sign === 0
        ? `Of 100 ${faces} we now find ${now}, and ${before} before: no difference beyond chance, ${set}`
        : `Of 100 ${faces} we now find ${sign < 0 ? "only " : ""}${now} instead of ${before}, ${set}`;
  const intervals =
    baseline === undefined
      ? `95 % interval: ${range(model)} of 100.`
      : `95 % intervals: ${range(model)} now, ${range(baseline)} before${
          difference === undefined
            ? ""
            : `; the difference is ${of100(difference.low, true)} to ${of100(difference.high, true)} of 100`
        }.`;
  const count = (n: number): string => n.toLocaleString("en");
  const how = asStrangers
    ? "each probe is also searched for without its own person"
    : "probes without an enrolled person are the strangers";
  return {
    lead,
    detail: `${intervals} Found: first and above the threshold, of ${count(probes)} probes in a gallery of ${count(gallery)} faces. False alarms: ${how}; the threshold rests on ${count(alarms)} of them.`,
  };
}
