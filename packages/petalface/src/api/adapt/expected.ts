import { type RunPlan, type TrainingOptions, trainingOptions } from "../../training/index.ts";

type MeasuredLength = RunPlan["expected"]["measured"][number];

/** Images of the training that shares are of: the default 4 epochs of LFW's 6,805 photos. */
export const longestMeasured = 27_224;

/**
 * Trainings with petal's defaults of several lengths, from bench/results/length.md, which a test
 * compares with this table. One seed, people of LFW's fold 6.
 */
export const measuredLengths: readonly MeasuredLength[] = [
  { network: "MobileFaceNet", images: 4800, at16: [87, 81, 93], at12: [79, 72, 87] },
  { network: "EdgeFace-XS", images: 4800, at16: [85, 61, 112], at12: [77, 66, 88] },
];

/** Options that make a run another one than those that were measured. */
const ownOptions = ["preset", "method", "gate", "rank", "loss", "learningRate", "batch", "degrade", "sites"] as const;

/**
 * What is known of runs of so many images before this one begins: of each network the longest
 * measured run that is not longer. None outside of what was measured.
 */
export function expectedOf(images: number): RunPlan["expected"] {
  if (images > longestMeasured) return { longest: longestMeasured, measured: [] };
  const nearest = new Map<string, MeasuredLength>();
  for (const each of measuredLengths.toSorted((a, b) => a.images - b.images))
    if (each.images <= images) nearest.set(each.network, each);
  return { longest: longestMeasured, measured: [...nearest.values()] };
}

const count = (value: number): string => value.toLocaleString("en");

/**
 * One line for people on what a run of so many images may gain: what share of a long run's gain
 * others of such a length had. Between two measured lengths the shorter counts; outside of all
 * nothing is claimed.
 */
export function printExpected(images: number, options: TrainingOptions): string {
  const { longest, measured } = expectedOf(images);
  const yours = "what your own faces gain, only a validation says ('val')";
  if (images > longest)
    return `what so long a run gains was not measured: the longest had ${count(longest)} images; ${yours}`;
  const [first] = measured;
  if (first === undefined) {
    const shortest = Math.min(...measuredLengths.map((each) => each.images));
    return `what so short a run gains was not measured: the shortest had ${count(shortest)} images; ${yours}`;
  }
  const share = ([value, low, high]: MeasuredLength["at16"]): string => `${value} % [${low}, ${high}]`;
  const networks = measured.map(
    (each) =>
      `${each.network} with ${count(each.images)} images ${share(each.at16)} at 16 px, ${share(each.at12)} at 12 px`,
  );
  return (
    `of the gain in rank-1 that ${count(longest)} images of LFW gave (one seed), shorter runs had: ` +
    `${networks.join("; ")}; ${differences(options)}${yours}`
  );
}

/** Names the options that make the measured runs other ones. */
function differences(options: TrainingOptions): string {
  const defaults = trainingOptions();
  const others = ownOptions.filter((name) => options[name] !== defaults[name]);
  return others.length === 0 ? "" : `those had another ${others.map((name) => `'${name}'`).join(", ")}; `;
}
