import { type ExportOutputs, exportOutputs } from "../../adapters/index.ts";
import { type Contract, contractOf, type Form } from "../../deploy/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Preprocessing } from "../../models/index.ts";

/** Options that say what the file is to be like. */
export interface FormFlags {
  readonly for?: string;
  readonly outputs?: ExportOutputs;
  readonly inputName?: string;
  readonly outputName?: string;
  readonly batch?: string;
  readonly opset?: number;
  readonly foldNormalisation?: boolean;
  readonly bgr?: boolean;
  readonly detector?: string;
  /**
   * In how many levels alpha is rounded; without it alpha is exact, and each layer has its gate.
   */
  readonly levels?: number;
}

/** The options that only a file without a target takes, as they are spelled. */
const byHand = {
  outputs: "'outputs'",
  inputName: "'inputName'",
  outputName: "'outputName'",
  batch: "'batch'",
  opset: "'opset'",
  foldNormalisation: "'foldNormalisation'",
  bgr: "'bgr'",
} satisfies Partial<Record<keyof FormFlags, string>>;

/** The contracts that `--for` names; none for `plain`. Throws PetalfaceError (wrong usage). */
export function targetsOf(flags: FormFlags): readonly Contract[] {
  const names = (flags.for ?? "plain").split(",").map((name) => name.trim());
  if (names.includes("plain")) {
    if (names.length > 1)
      throw new PetalfaceError("PETAL_OPTION_INVALID", "'for=plain' is for one file made by hand; name it alone");
    if (flags.detector !== undefined)
      throw new PetalfaceError("PETAL_OPTION_INVALID", "'detector' goes with 'for=insightface' or immich");
    return [];
  }
  if (new Set(names).size < names.length)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `'for' ${flags.for}: a target is named twice`);
  const contracts = names.map(contractOf);
  const given = Object.entries(byHand).find(([key]) => flags[key as keyof FormFlags] !== undefined);
  if (given !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${given[1]} is decided by 'for' ${flags.for}; leave it out, or make the file by hand with 'for=plain'`,
    );
  if (flags.detector !== undefined && !contracts.some(({ layout }) => layout.detector !== undefined))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `'detector' goes with 'for=insightface' or immich, not ${flags.for}`,
    );
  return contracts;
}

/**
 * The form of a file made by hand, and whether it differs from the model's own file at all. Throws
 * PetalfaceError.
 */
export function formByHand(flags: FormFlags, spec: Preprocessing): Form & { readonly isRefed: boolean } {
  const { outputs = exportOutputs[0], batch } = flags;
  const channels = flags.bgr ? "bgr" : flags.foldNormalisation ? "rgb" : spec.channels;
  const feeding: Preprocessing = flags.foldNormalisation
    ? { mean: [0, 0, 0], scale: [1, 1, 1], channels }
    : { ...spec, channels };
  return {
    outputs,
    input: flags.inputName,
    output: flags.outputName,
    batch: batch === undefined ? undefined : parseBatch(batch),
    opset: flags.opset,
    feeding,
    isRefed: flags.foldNormalisation === true || channels !== spec.channels,
  };
}

function parseBatch(text: string): number | string {
  if (text === "open") return "N";
  const value = Number(text);
  if (!/^\d{1,6}$/.test(text) || value < 1)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `'batch' is a number of images, or open, not "${text}"`);
  return value;
}
