import { messageOf, PetalfaceError } from "../../errors.ts";
import { readGivenFile, writeFileSafely } from "../../files.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import { measureLabel } from "./condition.ts";
import { packDetail, unpackDetail } from "./pack.ts";
import type { EvaluationResult, Measure } from "./types.ts";

/**
 * Writes a result with all its outcomes as one JSON document; arrays keep their bits (see pack.ts).
 */
export async function saveEvaluation(path: string, result: EvaluationResult): Promise<void> {
  const { detail, ...summary } = result;
  await writeFileSafely(path, `${JSON.stringify({ ...summary, detail: packDetail(detail) })}\n`);
}

/** A measure and what tables call it. */
export type Labelled<T> = T & { readonly label: string };

/** Measures or differences with what tables call them, for readers of JSON. */
export const labelled = <T extends Parameters<typeof measureLabel>[0]>(measures: readonly T[]): Labelled<T>[] =>
  measures.map((measure) => ({ ...measure, label: measureLabel(measure) }));

/** A result without its outcomes, its measures named as in tables: what `--json` prints. */
export function withoutDetail(
  result: EvaluationResult,
): Omit<EvaluationResult, "detail" | "measures"> & { readonly measures: readonly Labelled<Measure>[] } {
  const { detail: _, ...summary } = result;
  return { ...summary, measures: labelled(result.measures) };
}

/**
 * Reads what {@link saveEvaluation} wrote.
 *
 * @throws PetalfaceError if the file is missing, is no such document, or its parts do not fit
 * together.
 */
export async function loadEvaluation(path: string): Promise<EvaluationResult> {
  let text: string;
  try {
    text = (await readGivenFile(path)).toString();
  } catch (error) {
    throw new PetalfaceError(
      "PETAL_RESULT_INVALID",
      `${path}: cannot be read (${messageOf(error)}); run petalface evaluate first`,
      {
        cause: error,
      },
    );
  }
  refusePlaceholder(text, path);
  try {
    const document = JSON.parse(text) as EvaluationResult;
    if (document?.format !== "petalface-evaluation/3") throw new Error(`format is ${JSON.stringify(document?.format)}`);
    const { resamples, seed } = document.bootstrap;
    if (!(Number.isInteger(resamples) && resamples >= 0 && resamples <= 1e6 && Number.isInteger(seed)))
      throw new Error("bootstrap is missing or does not fit");
    if (!(Array.isArray(document.measures) && document.measures.every((m) => typeof m.key === "string")))
      throw new Error("measures is missing or does not fit");
    return { ...document, detail: unpackDetail(document.detail, document.protocol) };
  } catch (error) {
    throw new PetalfaceError(
      "PETAL_RESULT_INVALID",
      `${path}: is not a result of petalface evaluate (${messageOf(error)}); measure again`,
      { cause: error },
    );
  }
}
