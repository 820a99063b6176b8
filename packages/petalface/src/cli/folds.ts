import { PetalfaceError } from "../errors.ts";

/** Reads `--folds 1,2,3`. Throws PetalfaceError (wrong usage). */
export function parseFolds(text: string): number[] {
  const folds = text.split(",").map((part) => (/^\s*\d{1,6}\s*$/.test(part) ? Number(part) : 0));
  if (folds.some((fold) => fold < 1))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--folds ${text} is not understood: write fold numbers as in 1,2,3`,
    );
  return folds;
}
