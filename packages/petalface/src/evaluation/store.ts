import { readFile } from "node:fs/promises";
import { PetalfaceError } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { conditionKey } from "./condition.ts";
import type { Condition, EvaluationDetail, EvaluationResult } from "./types.ts";

/** Writes a result with all its outcomes as one JSON document. Scores keep their float32 value. */
export async function saveEvaluation(path: string, result: EvaluationResult): Promise<void> {
  const { detail, ...summary } = result;
  await writeFileSafely(path, `${JSON.stringify({ ...summary, detail: packDetail(detail) })}\n`);
}

/** A result without its outcomes: what `--json` prints. */
export function withoutDetail(result: EvaluationResult): Omit<EvaluationResult, "detail"> {
  const { detail: _, ...summary } = result;
  return summary;
}

/**
 * Reads what {@link saveEvaluation} wrote.
 *
 * @throws PetalfaceError if the file is missing, is no such document, or its parts do not fit together.
 */
export async function loadEvaluation(path: string): Promise<EvaluationResult> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new PetalfaceError(`${path}: cannot be read (${(error as Error).message}); run petalface evaluate first`, {
      cause: error,
    });
  }
  try {
    const document = JSON.parse(text) as EvaluationResult;
    if (document?.format !== "petalface-evaluation/2") throw new Error(`format is ${JSON.stringify(document?.format)}`);
    const detail = unpackDetail(document);
    const { resamples, seed } = document.bootstrap;
    demand(Number.isInteger(resamples) && resamples >= 0 && resamples <= 1e6 && Number.isInteger(seed), "bootstrap");
    demand(Array.isArray(document.measures) && document.measures.every((m) => typeof m.key === "string"), "measures");
    return { ...document, detail };
  } catch (error) {
    throw new PetalfaceError(
      `${path}: is no result of petalface evaluate (${(error as Error).message}); measure again`,
      { cause: error },
    );
  }
}

const plain = (array: Float32Array): number[] => Array.from(array, (value) => Number(value.toPrecision(9)));

function packDetail(detail: EvaluationDetail) {
  return {
    same: [...detail.same],
    fold: [...detail.fold],
    first: [...detail.first],
    second: [...detail.second],
    firstImage: [...detail.firstImage],
    secondImage: [...detail.secondImage],
    probePerson: [...detail.probePerson],
    scores: detail.scores.map(({ condition, scores }) => ({ condition, scores: plain(scores) })),
    hits: detail.hits.map(({ condition, hits }) => ({ condition, hits: [...hits] })),
    alphas: detail.alphas.map(({ degradation, alpha }) => ({ degradation, alpha: plain(alpha) })),
    digests: detail.digests,
  };
}

function unpackDetail({ protocol, detail }: EvaluationResult): EvaluationDetail {
  const { people, images, folds, genuine, impostor, probes } = protocol;
  const pairs = genuine + impostor;
  const whole = (name: string, value: unknown, count: number, below: number): number[] => {
    const list = numbers(name, value, count);
    demand(
      list.every((item) => Number.isInteger(item) && item >= 0 && item < below),
      name,
    );
    return list;
  };
  const condition = (value: Condition): Condition => {
    demand(
      value?.kind === "sharp" ||
        ((value?.kind === "lr" || value?.kind === "mixed") && typeof value.degradation === "string"),
      "condition",
    );
    return value;
  };
  const sizes = [pairs, people, images, folds, probes];
  // A pair names two of each at most, so nothing larger is allocated for what the file only claims.
  demand(
    sizes.every((size) => Number.isInteger(size) && size >= 0 && size <= 2 * pairs),
    "protocol",
  );
  demand(Array.isArray(detail.digests) && detail.digests.length === images, "digests");
  return {
    same: Uint8Array.from(whole("same", detail.same, pairs, 2)),
    fold: Int32Array.from(whole("fold", detail.fold, pairs, folds)),
    first: Int32Array.from(whole("first", detail.first, pairs, people)),
    second: Int32Array.from(whole("second", detail.second, pairs, people)),
    firstImage: Int32Array.from(whole("firstImage", detail.firstImage, pairs, images)),
    secondImage: Int32Array.from(whole("secondImage", detail.secondImage, pairs, images)),
    probePerson: Int32Array.from(whole("probePerson", detail.probePerson, probes, people)),
    scores: detail.scores.map((entry) => ({
      condition: condition(entry.condition),
      scores: Float32Array.from(
        numbers(conditionKey(entry.condition), entry.scores, entry.condition.kind === "mixed" ? 2 * pairs : pairs),
      ),
    })),
    hits: detail.hits.map((entry) => ({
      condition: condition(entry.condition),
      hits: Uint8Array.from(whole("hits", entry.hits, probes, 2)),
    })),
    alphas: detail.alphas.map(({ degradation, alpha }) => ({
      degradation,
      alpha: Float32Array.from(numbers("alpha", alpha, images)),
    })),
    digests: detail.digests.map(String),
  };
}

function numbers(name: string, value: unknown, count: number): number[] {
  demand(Array.isArray(value) && value.length === count && value.every((item) => Number.isFinite(item)), name);
  return value as number[];
}

function demand(condition: boolean, name: string): void {
  if (!condition) throw new Error(`${name} is missing or does not fit`);
}
