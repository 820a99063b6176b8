import { PetalfaceError } from "../../errors.ts";
import type {
  BootstrapSummary,
  EvaluationDetail,
  EvaluationResult,
  Identical,
  ProtocolSummary,
} from "../results/types.ts";
import { bootstrap, estimate } from "./bootstrap.ts";
import { type OperatingChoice, prepareStatistics } from "./measures.ts";

/** False accept rates that are measured where the protocol has the impostors for them. */
export const defaultFars: readonly number[] = [0.1, 0.01, 0.001, 0.0001];

/** How to turn outcomes into measures. */
export interface MeasureOptions extends Partial<OperatingChoice> {
  /** Resamples of the bootstrap over people (1000), and its seed (1). */
  readonly bootstrap?: Partial<BootstrapSummary> | undefined;
  /** A result of the frozen model on the same protocol. */
  readonly frozen?: EvaluationResult | undefined;
}

/** Outcomes and where they come from. */
export interface Measured {
  readonly protocol: ProtocolSummary;
  readonly data: { readonly spec: string; readonly fingerprint: string };
  readonly degradations: readonly string[];
  readonly detail: EvaluationDetail;
  /**
   * Values, by the key of their measure, that were computed exactly before the outcomes were
   * thinned.
   */
  readonly exact?: ReadonlyMap<string, number> | undefined;
}

/**
 * Turns outcomes into measures with 95 % intervals over people. Of identification, rank 1 is
 * measured unless `ranks` says otherwise, and an open set at the rates of `fpirs` where there are
 * probes without a mate.
 *
 * @throws PetalfaceError if `frozen` was measured on something else.
 */
export function summariseOutcomes(
  { protocol, data, degradations, detail, exact }: Measured,
  options: MeasureOptions = {},
): EvaluationResult {
  const { frozen } = options;
  const settings: BootstrapSummary = {
    resamples: options.bootstrap?.resamples ?? 1000,
    seed: options.bootstrap?.seed ?? 1,
  };
  if (frozen !== undefined && frozen.protocol.fingerprint !== protocol.fingerprint)
    throw new PetalfaceError(
      "PETAL_RESULT_MISMATCH",
      `the frozen model was measured on ${frozen.protocol.name}, not on ${protocol.name}; measure both on the same pairs`,
    );
  const { names, unresolved, compute } = prepareStatistics(detail, protocol.folds, {
    fars: options.fars ?? defaultFars,
    ranks: options.ranks ?? [1],
    fpirs: options.fpirs ?? [],
    fpirRanks: options.fpirRanks ?? [1],
  });
  const rows = bootstrap(protocol.people, settings, compute);
  return {
    format: "petalface-evaluation/3",
    protocol,
    data: { spec: data.spec, fingerprint: data.fingerprint },
    degradations,
    bootstrap: settings,
    measures: names.map((name, index) => {
      const measured = estimate(rows[index]);
      return { ...name, ...measured, value: exact?.get(name.key) ?? measured.value };
    }),
    unresolved,
    ...(frozen !== undefined && detail.digests.length > 0 && { identical: identicalShare(detail, frozen.detail) }),
    detail,
  };
}

/**
 * Shares of items, as given, and of pairs whose embeddings have the same bits in both results of
 * one protocol.
 */
export function identicalShare(a: EvaluationDetail, b: EvaluationDetail): Identical {
  const equal = a.digests.map((digest, item) => digest === b.digests[item]);
  const measured = equal.filter((_, item) => a.digests[item] !== "");
  const images = measured.length === 0 ? 0 : measured.filter(Boolean).length / measured.length;
  const atAlphaOne = sharesAtAlphaOne(equal, [a, b]);
  const compared = a.outcomes.find(({ kind, condition }) => kind === "verification" && condition.kind === "sharp");
  if (compared?.kind !== "verification") return { images, ...(atAlphaOne && { atAlphaOne }) };
  const { firstItem, secondItem } = compared;
  let pairs = 0;
  for (let pair = 0; pair < firstItem.length; pair++) if (equal[firstItem[pair]] && equal[secondItem[pair]]) pairs++;
  return { images, pairs: pairs / firstItem.length, ...(atAlphaOne && { atAlphaOne }) };
}

/**
 * The share among items that every model that judges quality gives alpha 1; undefined where none
 * judges.
 */
function sharesAtAlphaOne(
  equal: readonly boolean[],
  details: readonly EvaluationDetail[],
): Identical["atAlphaOne"] | undefined {
  const alphas = details.flatMap((detail) => detail.alphas.find(({ degradation }) => degradation === null) ?? []);
  if (alphas.length === 0) return undefined;
  const open = equal.filter((_, item) => alphas.every(({ alpha }) => alpha[item] === 1));
  return { images: open.length === 0 ? 0 : open.filter(Boolean).length / open.length, count: open.length };
}
