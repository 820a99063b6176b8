import { PetalfaceError } from "../../errors.ts";

const surroundingNames = [
  ...["signal", "onProgress", "onNote", "force", "threads", "prefixBytes", "provider", "mostLeftOut"],
  ...["onStart", "onStep", "onValidation", "ranks"],
];
/** Options of `adapt` in addition to those of training. */
export const newRunOptions: ReadonlySet<string> = new Set([
  ...surroundingNames,
  ...[
    "model",
    "normalize",
    "channels",
    "size",
    "output",
    "train",
    "out",
    "init",
    "camera",
    "aligned",
    "val",
    "valData",
    "valPixels",
    "minutes",
  ],
]);
/** The same of `resume`. */
export const resumedRunOptions: ReadonlySet<string> = new Set([
  ...surroundingNames,
  ...["run", "train", "learningRate", "epochs", "model", "val", "valData"],
]);

/**
 * Throws PetalfaceError at an option that no call reads: a misspelt one must not train for hours.
 */
export function requireKnown(options: object, known: ReadonlySet<string>): void {
  const unknown = Object.keys(options).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `unknown option ${JSON.stringify(unknown)}`);
}
