import { type Estimate, percent } from "petalface/evaluation";

/** A value with its 95 % interval. */
export type Interval = Pick<Estimate, "value" | "low" | "high">;

/** In per cent with half the width of the interval: `92.17 ± 1.6`. */
export const plusMinus = ({ value, low, high }: Interval, digits = 1, halfDigits = digits): string =>
  `${percent(value, digits)} ± ${percent((high - low) / 2, halfDigits)}`;

/** In per cent with the ends of the interval: `67.1 [62.5, 71.5]`. */
export const withEnds = ({ value, low, high }: Interval, digits = 1, endDigits = digits): string =>
  `${percent(value, digits)} [${percent(low, endDigits)}, ${percent(high, endDigits)}]`;
