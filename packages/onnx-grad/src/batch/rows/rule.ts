import type { Shape } from "../../graph/dim.ts";
import type { ShapeCall } from "../../infer/call.ts";
import type { BatchPlace } from "../place.ts";

/** A node that at least one input brings images to, as a rule sees it. */
export interface Step {
  readonly call: ShapeCall;
  /** Where the batch lies in each input; undefined in those that do not depend on an image. */
  readonly places: readonly (BatchPlace | undefined)[];
  /** Shape of the first output. */
  readonly output: Shape;
}

/** Where the batch lies in the outputs of a node, or the reason why it is unknown. */
export type RowRule = (step: Step) => BatchPlace | string;

/** Rules by operator. */
export type RowRules = Readonly<Record<string, RowRule>>;

/** One rule for several operators, their names separated by spaces. */
export const table = (ops: string, rule: RowRule): RowRules =>
  Object.fromEntries(ops.split(" ").map((op) => [op, rule]));

/**
 * The place that all inputs give, each already moved to the output's axes; a reason where they
 * differ.
 */
export function agree(places: readonly (BatchPlace | string | undefined)[]): BatchPlace | string {
  const found = places.filter((place) => place !== undefined);
  const [first] = found;
  if (first === undefined) return "it has no images";
  for (const place of found) {
    if (typeof place === "string") return place;
    if (typeof first === "string") return first;
    if (place.axis !== first.axis || place.outer !== first.outer || place.inner !== first.inner)
      return "it combines rows of different images";
  }
  return first;
}

/** A rule for operators that take images in their first input only. */
export const first =
  (rule: (step: Step, place: BatchPlace) => BatchPlace | string): RowRule =>
  (step) => {
    const [place, ...others] = step.places;
    return place === undefined || others.some((other) => other !== undefined)
      ? "it takes images where it should take parameters"
      : rule(step, place);
  };
