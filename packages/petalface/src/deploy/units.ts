import type { ThresholdUnit } from "./contract.ts";
import type { Thresholds } from "./thresholds.ts";

/**
 * Frigate's score of a cosine: a sigmoid around 0.3, of slope 12 / 0.6
 * (frigate/data_processing/common/face/model.py).
 */
const frigateScore = (cosine: number): number => 1 / (1 + Math.exp(-(12 / 0.6) * (cosine - 0.3)));

/** A cosine in the unit in which a product states thresholds. */
export function inUnit(cosine: number, unit: ThresholdUnit): number {
  switch (unit) {
    case "cosine":
      return cosine;
    case "cosine distance":
      return 1 - cosine;
    case "euclidean distance":
      return Math.sqrt(Math.max(0, 2 - 2 * cosine));
    case "frigate score":
      return frigateScore(cosine);
  }
}

/** Key of the thresholds in a file's metadata. */
export const thresholdsKey = "petalface.thresholds";

const digits = 3;
const signed = (value: number): string => value.toFixed(digits);

/** Thresholds for people, a line each. */
export function printThresholds({ data, people, faces, all, ranges }: Thresholds): string[] {
  const line = (name: string, { far, cosine, accepted }: Thresholds["all"][number]): string => {
    const other = (["frigate score", "cosine distance", "euclidean distance"] as const)
      .map((unit) => `${unit} ${inUnit(cosine.value, unit).toFixed(digits)}`)
      .join(", ");
    const share =
      accepted === null
        ? ""
        : `; accepts ${(100 * accepted.value).toFixed(1)} % [${(100 * accepted.low).toFixed(1)}, ${(100 * accepted.high).toFixed(1)}] of the pairs of one person`;
    return `  ${name}false-accept rate ${far}: cosine above ${signed(cosine.value)} [${signed(cosine.low)}, ${signed(cosine.high)}]; ${other}${share}`;
  };
  return [
    `thresholds, from ${faces.toLocaleString("en")} faces of ${people.toLocaleString("en")} people of ${data}, 95 % intervals over people:`,
    ...all.map((each) => line("", each)),
    ...ranges.flatMap(({ name, thresholds }) =>
      thresholds.map((each, i) =>
        each === null
          ? `  ${name}: too few comparisons for a false-accept rate of ${all[i]?.far}`
          : line(`${name}, `, each),
      ),
    ),
  ];
}

/** One line for a product: its own setting for each rate. */
export function productThresholds(name: string, unit: ThresholdUnit, { all }: Thresholds): string {
  const each = all.map(({ far, cosine }) => `${inUnit(cosine.value, unit).toFixed(digits)} for ${far}`);
  return `threshold of ${name} (${unit}) by false-accept rate: ${each.join(", ")}`;
}

/** The thresholds in a file's metadata; undefined where it has none. */
export function thresholdsIn(metadata: ReadonlyMap<string, string>): Thresholds | undefined {
  const text = metadata.get(thresholdsKey);
  if (text === undefined) return undefined;
  try {
    const parsed = JSON.parse(text) as Partial<Thresholds>;
    return parsed.format === 1 && Array.isArray(parsed.all) && Array.isArray(parsed.ranges)
      ? (parsed as Thresholds)
      : undefined;
  } catch {
    return undefined;
  }
}
