import { isDeepStrictEqual } from "node:util";
import { itemAt } from "onnx-grad";
import {
  type Condition,
  compareResults,
  degradationLabel,
  type EmbeddingView,
  type EvaluationResult,
  type HardestPairs,
  type HardPair,
  hardestPairs,
  type NearestPicture,
  type NearPerson,
  type Protocol,
  type ReportFace,
  type ReportPair,
  type ReportSample,
  searchInFocus,
  writeReport,
} from "../../evaluation/index.ts";
import {
  drawDegradation,
  encodeSmallJpeg,
  type ImageRequest,
  openLoader,
  parseDegradation,
} from "../../images/index.ts";
import { readGroups } from "./groups.ts";

/** People whose face the report shows. */
const SHOWN = 6;
/** Degradations that it shows them under, at most. */
const shownDegradations = 7;
/** Hardest pairs of each kind: one row of the page. */
const hardestShown = 5;

/** What {@link writeEvaluationReport} reports on. */
export interface ReportedEvaluation {
  readonly frozen: EvaluationResult;
  readonly adapted: EvaluationResult | undefined;
  readonly protocol: Protocol;
  /** Side of the model's input in pixels. */
  readonly size: number;
  /** Options that the reader should know. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly view?: EmbeddingView | undefined;
}

type Faces = Pick<ReportedEvaluation, "protocol" | "size">;

/** One item of the protocol, as it was shown; null is as given. */
interface View {
  readonly item: number;
  readonly degradation: string | null;
}

/** The first face of each item, as its number in the data. */
function firstFaces({ items, item, faces }: Protocol): Int32Array {
  const found = new Int32Array(items.length).fill(-1);
  item.forEach((owner, place) => {
    if (found[owner] === -1) found[owner] = itemAt(faces, place);
  });
  return found;
}

/** Pictures of views, as the model got them, each with the alpha that a result has of it. */
async function drawFaces(
  { protocol, size }: Faces,
  views: readonly View[],
  result: EvaluationResult,
): Promise<ReportFace[]> {
  const faceOf = firstFaces(protocol);
  const requests = views.map(({ item, degradation }): ImageRequest => {
    const { source, id } = protocol.data.at(itemAt(faceOf, item));
    return {
      source,
      flip: false,
      degrade: degradation === null ? undefined : drawDegradation(parseDegradation(degradation), id),
    };
  });
  if (requests.length === 0) return [];
  const loader = openLoader({ size, threads: 0 });
  const planes = await loader.load(requests);
  await loader.close();
  const bytes = 3 * size * size;
  return Promise.all(
    views.map(async ({ item, degradation }, i) => {
      const jpeg = await encodeSmallJpeg(planes.subarray(i * bytes, (i + 1) * bytes), size);
      return {
        label: degradation === null ? "as given" : degradationLabel(degradation),
        image: `data:image/jpeg;base64,${jpeg.toString("base64")}`,
        alpha: result.detail.alphas.find((entry) => entry.degradation === degradation)?.alpha[item],
      };
    }),
  );
}

/**
 * Some of the protocol's people as the model saw them: as given and degraded, with alpha where
 * there is one.
 */
export async function drawSamples(faces: Faces, result: EvaluationResult): Promise<ReportSample[]> {
  const { items, searches, degradable } = faces.protocol;
  const left = new Set(result.leftOut?.faces);
  // What may be degraded; where people are only guessed there are no searches.
  const [search] = searches;
  const some = search === undefined ? items.keys() : degradable === "probes" ? search.probes : search.gallery;
  const faceOf = firstFaces(faces.protocol);
  const whole = [...some].filter((item) => !left.has(faces.protocol.data.at(itemAt(faceOf, item)).id));
  const step = Math.max(1, Math.floor(whole.length / SHOWN));
  const shown = whole.filter((_, position) => position % step === 0).slice(0, SHOWN);
  const degradations = [null, ...result.degradations.slice(0, shownDegradations)];
  const views = shown.flatMap((item) => degradations.map((degradation) => ({ item, degradation })));
  const drawn = await drawFaces(faces, views, result);
  return shown.map((item, row) => ({
    name: items[item] ?? "",
    faces: drawn.slice(row * degradations.length, (row + 1) * degradations.length),
  }));
}

/**
 * The probes of the search that a report speaks of, with the people nearest to them by the model
 * and by the baseline. Undefined where no search was measured.
 */
export async function drawNearest(
  faces: Faces,
  model: { readonly name: string; readonly result: EvaluationResult },
  baseline?: { readonly name: string; readonly result: EvaluationResult },
): Promise<NearestPicture | undefined> {
  const condition = searchInFocus(model.result)?.condition;
  const listed = ({ detail }: EvaluationResult) =>
    detail.nearest?.find((search) => isDeepStrictEqual(search.condition, condition))?.probes;
  const [after, before] = [listed(model.result), baseline && listed(baseline.result)];
  if (condition === undefined || after === undefined) return undefined;
  const shown = after.map((probe) => ({
    probe,
    before: before?.find(({ item }) => item === probe.item)?.nearest ?? [],
  }));
  const degradation = "degradation" in condition ? condition.degradation : null;
  const views = shown.flatMap(({ probe, before: old }): View[] => [
    { item: probe.item, degradation },
    ...[...probe.nearest, ...old].map(({ item }) => ({ item, degradation: null })),
  ]);
  const drawn = await drawFaces(faces, views, model.result);
  const { items } = faces.protocol;
  let next = 0;
  const picture = (): ReportFace => itemAt(drawn, next++);
  const people = (nearest: readonly NearPerson[], person: number) =>
    nearest.map(({ item, person: own, score }) => ({
      face: { ...picture(), label: items[item] ?? "" },
      right: own === person,
      score,
    }));
  return {
    condition,
    model: model.name,
    baseline: before && baseline?.name,
    probes: shown.map(({ probe, before: old }) => ({
      name: items[probe.item] ?? "",
      face: picture(),
      after: people(probe.nearest, probe.person),
      ...(before && { before: people(old, probe.person) }),
    })),
  };
}

/**
 * The condition that a report looks into: as given against the middle one of the degradations, else
 * the first there is.
 */
function conditionInFocus({ detail }: EvaluationResult): Condition | undefined {
  const conditions = detail.outcomes.filter(({ kind }) => kind === "verification").map(({ condition }) => condition);
  const mixed = conditions.filter(({ kind }) => kind === "mixed");
  return mixed[Math.floor(mixed.length / 2)] ?? conditions[0];
}

/**
 * Pictures of the comparisons that the last result finds hardest, with the score of the baseline.
 */
export async function drawHardest(
  faces: Faces,
  model: { readonly name: string; readonly result: EvaluationResult },
  baseline?: EvaluationResult,
): Promise<HardestPairs | undefined> {
  const condition = conditionInFocus(model.result);
  if (condition === undefined) return undefined;
  const { genuine, impostor } = hardestPairs(model.result, condition, hardestShown);
  const pairs = [...genuine, ...impostor];
  const views = pairs.flatMap((pair): View[] => [
    { item: pair.first, degradation: pair.firstDegradation },
    { item: pair.second, degradation: pair.secondDegradation },
  ]);
  const drawn = await drawFaces(faces, views, model.result);
  const outcome = baseline?.detail.outcomes[model.result.detail.outcomes.findIndex((o) => o.condition === condition)];
  const before = outcome?.kind === "verification" ? outcome.scores : undefined;
  const reported = pairs.map(
    (pair: HardPair, i): ReportPair => ({
      // Small pictures: their alpha would not fit below.
      first: { ...itemAt(drawn, 2 * i), alpha: undefined },
      second: { ...itemAt(drawn, 2 * i + 1), alpha: undefined },
      score: pair.score,
      before: before?.[pair.place],
    }),
  );
  return {
    model: model.name,
    condition,
    genuine: reported.slice(0, genuine.length),
    impostor: reported.slice(genuine.length),
  };
}

/**
 * Writes one evaluation, frozen against adapted where there is an adapter, as a self-contained HTML
 * file.
 */
export async function writeEvaluationReport(path: string, evaluation: ReportedEvaluation): Promise<void> {
  const { frozen, adapted, options, view, protocol } = evaluation;
  const model = adapted === undefined ? { name: "frozen", result: frozen } : { name: "adapted", result: adapted };
  await writeReport(path, {
    title: `petalface evaluation: ${protocol.name}`,
    results: [{ name: "frozen", result: frozen }, ...(adapted ? [model] : [])],
    comparisons: adapted && [{ name: "adapted", against: "frozen", comparison: compareResults(frozen, adapted) }],
    nearest: await drawNearest(evaluation, model, adapted && { name: "frozen", result: frozen }),
    named: adapted && { model: String(options.model), adapter: String(options.adapter) },
    samples: await drawSamples(evaluation, model.result),
    hardest: await drawHardest(evaluation, model, adapted && frozen),
    groups: protocol.names && (await readGroups(protocol.data.spec, protocol.names)),
    run: options,
    view,
  });
}
