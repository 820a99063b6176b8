import { itemAt, tupleOf } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { Preprocessing } from "./types.ts";

const hint =
  'write MEAN,SCALE as in "127.5,1/128" (the input is (x - MEAN) * SCALE, x in 0..255), or three means and three scales, of red, green and blue';

function parseNumber(text: string): number {
  const [, top, bottom] = /^\s*([^/]+?)\s*(?:\/\s*([^/]+?)\s*)?$/.exec(text) ?? [];
  if (top === undefined) return Number.NaN;
  return Number(top) / (bottom === undefined ? 1 : Number(bottom));
}

/**
 * Reads what `--normalize` was given: `MEAN,SCALE` for all channels, or `M,M,M,S,S,S`; a number may
 * be a fraction, `1/128`. Throws PetalfaceError (wrong usage) on anything else, and on a scale of
 * zero.
 */
export function parseNormalize(text: string): Pick<Preprocessing, "mean" | "scale"> {
  const numbers = text.split(",").map(parseNumber);
  const six = numbers.length === 2 ? [0, 0, 0, 1, 1, 1].map((i) => itemAt(numbers, i)) : numbers;
  if (six.length !== 6 || !six.every(Number.isFinite) || six.slice(3).includes(0))
    throw new PetalfaceError("PETAL_OPTION_INVALID", `'normalize' "${text}" is not understood: ${hint}`);
  const [a, b, c, x, y, z] = tupleOf(six, 6);
  return { mean: [a, b, c], scale: [x, y, z] };
}

/**
 * Mean and scale as `--normalize` takes them, the inverse of {@link parseNormalize}; scales as
 * fractions where they are such.
 */
export function printNormalize({ mean, scale }: Pick<Preprocessing, "mean" | "scale">): string {
  const fraction = (value: number): string => {
    const below = 1 / value;
    const rounded = Math.round(below * 1000) / 1000;
    return value < 0.5 && Math.abs(below - rounded) < 1e-9 * below ? `1/${rounded}` : String(value);
  };
  const [means, scales] = [mean.map(String), scale.map(fraction)];
  const one = new Set(means).size === 1 && new Set(scales).size === 1;
  return (one ? [means[0], scales[0]] : [...means, ...scales]).join(",");
}
