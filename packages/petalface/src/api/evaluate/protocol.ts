import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  findProtocol,
  type PairList,
  readPairs,
  readVerificationPairs,
  syntheticPairs,
} from "../../evaluation/index.ts";

/** Options that `drawn:` takes, with the least that makes sense. */
const drawnOptions: Readonly<Record<string, number>> = { pairs: 2, folds: 2, seed: 0 };

/** Reads `pairs=N,folds=K,seed=S`. Throws PetalfaceError (wrong usage). */
function parseDrawn(spec: string): { pairs?: number; folds?: number; seed?: number } {
  const usage = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_OPTION_INVALID", `${what} in 'protocol' ${spec}; write drawn[:pairs=N,folds=K,seed=S]`);
  const options: Record<string, number> = {};
  for (const part of spec.slice("drawn:".length).split(",").filter(Boolean)) {
    const [name = "", text = ""] = part.split("=");
    const least = Object.hasOwn(drawnOptions, name) ? drawnOptions[name] : undefined;
    if (least === undefined) throw usage(`unknown option "${part}"`);
    if (!/^\d{1,9}$/.test(text) || Number(text) < least) throw usage(`${name} is a whole number from ${least}`);
    options[name] = Number(text);
  }
  return options;
}

/** What {@link openPairs} may also need. */
export interface PairsFlags {
  readonly folds?: readonly number[] | undefined;
  /** List of pairs for a protocol that was given by its name. */
  readonly lists?: string | undefined;
}

/**
 * The pairs that `--protocol` names: a file (LFW's list, CSV, or a verification list), the name of
 * a data set whose pairs the data itself (a verification list) or `--lists` brings, or
 * `drawn[:pairs=N,folds=K,seed=S]`, drawn from the data. Throws PetalfaceError.
 */
export async function openPairs(spec: string, { folds, lists }: PairsFlags, data: FaceData): Promise<PairList> {
  const named = findProtocol(spec);
  const list = named === undefined ? spec : (lists ?? data.spec);
  if (/\.bin$/i.test(list)) {
    if (folds !== undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        "'folds' chooses folds of a list of pairs; a verification list is used completely",
      );
    return readVerificationPairs(list);
  }
  if (named !== undefined && lists === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `'protocol' ${spec} needs 'data' ${named.name}.bin, or the list of pairs as 'lists'; see \`petalface evaluate 'protocol' ${spec} 'help'\``,
    );
  if (!/^drawn(:|$)/.test(list)) return readPairs(list, { folds });
  if (folds !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'folds' chooses folds of a pairs file; with drawn pairs write drawn:folds=K",
    );
  return syntheticPairs(data, parseDrawn(list));
}
