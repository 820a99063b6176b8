import { printCopies } from "../copies.ts";
import type { Model } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";
import type { BothResults, MeasureTask } from "./measure-models.ts";
import { writeEvaluationReport } from "./report.ts";
import { viewPeople } from "./views.ts";

/** What a report is on. */
export interface Reported {
  readonly model: Model;
  readonly task: MeasureTask;
  /** People whose embeddings are shown as a map. */
  readonly views?: number | undefined;
}

/** Writes the report of an evaluation as one HTML file. */
export async function reportEvaluation(
  path: string,
  { frozen, adapted }: BothResults,
  { model: opened, task, views }: Reported,
  { signal, noteOnce }: Pick<Surroundings, "signal" | "noteOnce">,
): Promise<void> {
  const { backbone, adapterFolder } = opened;
  const { protocol, engine, cache, degradations, fusion, copies } = task;
  const models = [
    { name: "frozen", opened: { backbone, model: backbone } },
    ...(adapted ? [{ name: "adapted", opened }] : []),
  ];
  const request = { protocol, engine, cache, models, degradation: degradations[0], signal, noteOnce };
  const view =
    views === undefined ? undefined : await viewPeople({ ...request, people: views, left: frozen.leftOut?.faces });
  const options = {
    model: backbone.spec.name,
    "model sha256": backbone.spec.sha256,
    adapter: adapterFolder ?? "none",
    "mirror image": fusion,
    ...(copies && { "enrolled copies": printCopies(copies) }),
  };
  await writeEvaluationReport(path, { frozen, adapted, protocol, size: backbone.size, options, view });
}
