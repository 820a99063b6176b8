import { random } from "../random.ts";
import type { MixtureSpec } from "./types.ts";

/** Most parts of a mixture. */
const mostParts = 32;

/** Reads `2*SPEC/SPEC/...`: the parts, and their shares of the faces, which sum to 1. */
export function splitMixture(text: string): { readonly share: number; readonly text: string }[] | string {
  const parts = text.split("/").map((part) => {
    const match = /^\s*(?:(\d{1,6}(?:\.\d{1,6})?)\*)?(.*)$/s.exec(part);
    return { weight: Number(match?.[1] ?? 1), text: (match?.[2] ?? "").trim() };
  });
  if (parts.length > mostParts) return `it has ${parts.length} parts; ${mostParts} are the most`;
  const zero = parts.find(({ weight }) => weight === 0);
  if (zero !== undefined) return `"0*${zero.text}": the weight of a part is above 0`;
  const sum = parts.reduce((total, { weight }) => total + weight, 0);
  return parts.map(({ weight, text: part }) => ({ share: weight / sum, text: part }));
}

/** Draws which part of a mixture a face gets. */
export function drawPart({ parts }: MixtureSpec, ...seed: readonly (string | number)[]): MixtureSpec["parts"][number] {
  let left = random("mixture", ...seed).uniform();
  let drawn: MixtureSpec["parts"][number] | undefined;
  for (const part of parts) {
    drawn = part;
    left -= part.share;
    if (left < 0) break;
  }
  if (drawn === undefined) throw new RangeError("a mixture needs parts");
  return drawn;
}
