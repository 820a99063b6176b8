import { allowedImpostors } from "../../matching/index.ts";
import { conditionKey } from "../results/condition.ts";
import { outcomesOf } from "../results/outcomes.ts";
import type { Condition, Estimate, EvaluationResult, IdentificationOutcome } from "../results/types.ts";
import { append } from "./arrays.ts";
import { compareResults, type Difference } from "./compare.ts";
import { firstRefused } from "./measures.ts";
import { summariseOutcomes } from "./summary.ts";

/** What a search finds at a rate of false alarms. */
export interface FoundShare extends Estimate {
  /** The cosine above which a face is taken for its nearest person. */
  readonly threshold: number;
}

/**
 * One search of a model, and of the model that it is compared with, at one rate of false alarms.
 */
export interface FoundAtAlarms {
  readonly condition: Condition;
  /** The share of faces of strangers that may be taken for somebody. */
  readonly fpir: number;
  /** How many false alarms that rate lets through here. */
  readonly alarms: number;
  readonly probes: number;
  readonly people: number;
  /** Faces in the gallery. */
  readonly gallery: number;
  /** Whether strangers are the probes themselves, each without its own person in the gallery. */
  readonly asStrangers: boolean;
  readonly model: FoundShare;
  readonly baseline?: FoundShare | undefined;
  /** The model's share minus the baseline's, on the same resamples of people. */
  readonly difference?: Difference | undefined;
}

/** Rates that are tried, lowest first. */
const rates = [0.001, 0.01, 0.1];
/**
 * A rate is used where it lets this number of false alarms through: the threshold rests on them.
 */
const fewestAlarms = 3;

const pixelsOf = (condition: Condition): number =>
  "degradation" in condition ? Number(/^lr:(\d+)$/.exec(condition.degradation)?.[1] ?? 0) : 0;

/**
 * The search that a report speaks of: of degraded probes the middle one of the degradations, else
 * the first search.
 */
export function searchInFocus({ detail }: EvaluationResult): IdentificationOutcome | undefined {
  const searches = outcomesOf(detail, "identification").filter(({ rank }) => rank.some((place) => place > 0));
  const degraded = searches
    .filter(({ condition }) => condition.kind === "mixed")
    .toSorted((a, b) => pixelsOf(b.condition) - pixelsOf(a.condition));
  return degraded[Math.floor(degraded.length / 2)] ?? searches[0];
}

/**
 * The search as an open set. Where all probes have a mate, each is also searched for as a stranger:
 * its best score with its own person taken out of the gallery is what the search found of others.
 */
function withStrangers(outcome: IdentificationOutcome): IdentificationOutcome {
  if (outcome.rank.includes(0)) return outcome;
  const { person, item, rank, mate, other } = outcome;
  return {
    ...outcome,
    person: append(person, person),
    item: append(item, item),
    rank: append(rank, new Int32Array(rank.length)),
    mate: append(mate, new Float32Array(mate.length).fill(Number.NEGATIVE_INFINITY)),
    other: append(other, other),
  };
}

/**
 * How many of the probes in focus a model finds first and above a threshold, at the lowest of the
 * rates 0.1, 1 and 10 % of false alarms that lets at least three through; with 95 % intervals over
 * people. The threshold is chosen again on each resample. Undefined where there is no search, or
 * where there are too few strangers for any of the rates.
 *
 * @param baseline a result of another model on the same protocol
 */
export function findAtAlarms(result: EvaluationResult, baseline?: EvaluationResult): FoundAtAlarms | undefined {
  const focus = searchInFocus(result);
  if (focus === undefined) return undefined;
  const key = conditionKey(focus.condition);
  const of = ({ detail }: EvaluationResult) => {
    const own = outcomesOf(detail, "identification").find(({ condition }) => conditionKey(condition) === key);
    return own && withStrangers(own);
  };
  const search = withStrangers(focus);
  const strangers = search.rank.reduce((count, place) => count + Number(place === 0), 0);
  const fpir = rates.find((rate) => allowedImpostors(rate, strangers) >= fewestAlarms);
  if (fpir === undefined) return undefined;
  const share = (model: EvaluationResult, outcome: IdentificationOutcome) => {
    const { protocol, data, degradations, bootstrap, detail } = model;
    const measured = summariseOutcomes(
      { protocol, data, degradations, detail: { ...detail, outcomes: [outcome], digests: [] } },
      { bootstrap, fars: [], ranks: [], fpirs: [fpir], fpirRanks: [1] },
    );
    const order = Int32Array.from(outcome.rank.keys())
      .filter((probe) => outcome.rank[probe] === 0)
      .sort((a, b) => outcome.other[b] - outcome.other[a] || a - b);
    const threshold = firstRefused(order, outcome.other, () => 1, allowedImpostors(fpir, order.length));
    const [found] = measured.measures;
    return found && { measured, found: { ...found, threshold } };
  };
  const model = share(result, search);
  if (model === undefined) return undefined;
  const before = baseline && of(baseline);
  const other = baseline && before && share(baseline, before);
  return {
    condition: focus.condition,
    fpir,
    alarms: allowedImpostors(fpir, strangers),
    probes: search.rank.length - strangers,
    people: result.protocol.people,
    gallery: focus.gallery,
    asStrangers: search !== focus,
    model: model.found,
    ...(other && {
      baseline: other.found,
      difference: compareResults(other.measured, model.measured).differences[0],
    }),
  };
}
