import { PetalfaceError } from "../errors.ts";
import { isRecord } from "../json.ts";
import { needsWeights, requireMeasure } from "./measures.ts";
import type { Calibration } from "./types.ts";

/**
 * Reads a calibration as it stands in `adapter_config.json`. `where` begins the message of the
 * PetalfaceError if it is none.
 */
export function parseCalibration(value: unknown, where: string): Calibration {
  const fail = (what: string): never => {
    throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${where}: ${what}`);
  };
  if (!isRecord(value)) return fail('"calibration" is not an object');
  const fields = value;
  const number = (name: string): number => {
    const field = fields[name];
    return typeof field === "number" && Number.isFinite(field) ? field : fail(`"calibration.${name}" is not a number`);
  };
  const { kind = "linear" } = fields;
  if (kind === "given") return { kind, measure: "given" };
  const measure =
    typeof fields.measure === "string" ? requireMeasure(fields.measure) : fail('"calibration.measure" is not a text');
  const { weights } = fields;
  if (weights !== undefined && typeof weights !== "string") fail('"calibration.weights" is not a text');
  const judge = { measure, ...(typeof weights === "string" && { weights }) };
  if (needsWeights(measure) !== (weights !== undefined))
    fail(`"${measure}" ${weights === undefined ? "needs" : "has no"} "calibration.weights"`);
  if (kind === "paper") return { kind, ...judge, threshold: number("threshold") };
  if (kind !== "linear") return fail(`"calibration.kind" is ${JSON.stringify(kind)}; known: linear, paper, given`);
  const [low, high] = [number("low"), number("high")];
  return low === high ? fail("the calibration's low and high are the same") : { ...judge, low, high };
}
