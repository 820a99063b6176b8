import type { FaceData } from "../data/index.ts";
import {
  compareResults,
  degradationLabel,
  type EvaluationResult,
  type PairsProtocol,
  type ReportSample,
  resolveProtocol,
  writeReport,
} from "../evaluation/index.ts";
import { drawDegradation, openLoader, parseDegradation } from "../images/index.ts";
import { encodePng } from "./png.ts";

/** People whose face the report shows. */
const SHOWN = 6;

/** What {@link writeEvaluationReport} reports on. */
export interface ReportedEvaluation {
  readonly frozen: EvaluationResult;
  readonly adapted: EvaluationResult | undefined;
  readonly data: FaceData;
  readonly protocol: PairsProtocol;
  /** Side of the model's input in pixels. */
  readonly size: number;
  /** Options that the reader should know. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** Some of the protocol's people as the model saw them: sharp and at each resolution, with alpha where there is one. */
export async function drawSamples(
  { data, protocol, size }: Pick<ReportedEvaluation, "data" | "protocol" | "size">,
  result: EvaluationResult,
): Promise<ReportSample[]> {
  const found = resolveProtocol(protocol, data);
  const step = Math.max(1, Math.floor(protocol.gallery.length / SHOWN));
  const shown = protocol.gallery.filter((_, position) => position % step === 0).slice(0, SHOWN);
  const views = [null, ...result.degradations];
  const requests = shown.flatMap((image) => {
    const { source, id } = data.at(found[image] as number);
    return views.map((view) => ({
      source,
      flip: false,
      degrade: view === null ? undefined : drawDegradation(parseDegradation(view), id),
    }));
  });
  const loader = openLoader({ size, threads: 0 });
  const planes = await loader.load(requests);
  await loader.close();
  const bytes = 3 * size * size;
  const pngs = await Promise.all(requests.map((_, i) => encodePng(planes.subarray(i * bytes, (i + 1) * bytes), size)));
  return shown.map((image, row) => ({
    name: protocol.images[image]?.id ?? "",
    faces: views.map((view, column) => ({
      label: view === null ? "sharp" : degradationLabel(view),
      image: `data:image/png;base64,${(pngs[row * views.length + column] as Buffer).toString("base64")}`,
      alpha: result.detail.alphas.find(({ degradation }) => degradation === view)?.alpha[image],
    })),
  }));
}

/** Writes one evaluation, frozen against adapted where there is an adapter, as a self-contained HTML file. */
export async function writeEvaluationReport(path: string, evaluation: ReportedEvaluation): Promise<void> {
  const { frozen, adapted, options } = evaluation;
  await writeReport(path, {
    title: "petalface evaluation",
    results: [{ name: "frozen", result: frozen }, ...(adapted ? [{ name: "adapted", result: adapted }] : [])],
    comparisons: adapted && [{ name: "adapted", against: "frozen", comparison: compareResults(frozen, adapted) }],
    samples: await drawSamples(evaluation, adapted ?? frozen),
    run: options,
  });
}
