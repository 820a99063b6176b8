/**
 * A quick stand-in for training: the linear map from the frozen embedding of degraded faces to that
 * of the sharp ones, fitted on faces of one kind and measured on photos of other people.
 */
import { itemAt } from "onnx-grad";
import type { EmbeddingModel } from "petalface/backbones";
import { type FaceData, openData, subset } from "petalface/data";
import { type FaceRows, openFaceRows, requestsIn, shrinkTo } from "../skeleton/faces.ts";
import { plusMinus } from "../skeleton/intervals.ts";
import { cholesky, dot, momentsOf, solve } from "../skeleton/linear.ts";
import { table } from "../skeleton/page.ts";
import { drawer, mean } from "../skeleton/statistics.ts";
import { writeFaces } from "./faces.ts";
import { allKinds, type Kind } from "./plan.ts";

/** Low resolutions that the map is fitted for, each as likely. */
const fittedPixels = [8, 10, 12, 14, 16, 20, 24] as const;
const probedPixels = [16, 12] as const;
/** People whose photos are measured. */
const probes = 700;
/** On inputs of variance 1. */
const ridge = 0.1;

type Row = Float64Array;

/** The section of the page: a line for each kind, and one for the frozen model. */
export async function probePage(
  model: EmbeddingModel,
  photos: FaceData,
  options: {
    readonly names: readonly string[];
    readonly faces: number;
    readonly threads: number;
    readonly work: string;
  },
): Promise<string> {
  const { names, faces, threads, work } = options;
  const people = onePhotoEach(photos);
  const train = subset(photos, people.slice(probes, probes + faces));
  await using rows = await openFaceRows(model, threads);
  const test = await embedPhotos(rows, model.width, subset(photos, people.slice(0, probes)));
  const lines = [["frozen", "-", "-", ...scores(test, (row) => row)]];
  for (const kind of allKinds.filter((name) => names.includes(name))) {
    const made = await embedKind(rows, model.width, kind, train, work);
    const sharp = made.sharp.map(unit);
    lines.push([
      kind,
      meanCosine(sharp).toFixed(3),
      directions(sharp).toFixed(0),
      ...scores(test, fitMap(made.low, sharp)),
    ]);
    console.error(lines.at(-1)?.join(" | "));
  }
  const head = ["faces", "cosine", "directions", ...probedPixels.flatMap((side) => [`own ${side}`, `rank-1 ${side}`])];
  return `${train.length} faces of each kind, one a person; ${probes} photos of other people. Nothing is trained but the map.

- cosine: mean between two faces, by the frozen model, sharp.
- directions: (trace C)^2 / trace(C^2), C being the covariance of these embeddings.
- own: mean cosine of a mapped photo at 16 or 12 px to the same photo, sharp.
- rank-1: how often that is the nearest of all ${probes}; ± half the width of the 95 % interval.

${table(head, lines)}`;
}

/** The first photo of each person, people in a fixed random order. */
function onePhotoEach(photos: FaceData): number[] {
  const first = new Map<number, number>();
  for (let at = 0; at < photos.length; at++) {
    const { person } = photos.at(at);
    if (!first.has(person)) first.set(person, at);
  }
  const uniform = drawer(1);
  return [...first.values()]
    .map((at) => [uniform(), at] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, at]) => at);
}

async function embedKind(rows: FaceRows, width: number, kind: Kind, photos: FaceData, work: string) {
  const data = await openData(await writeFaces(kind, photos, work));
  const uniform = drawer(2);
  const sides = Array.from({ length: data.length }, () => Math.floor(uniform() * fittedPixels.length));
  const low = await embed(rows, width, data, (at) => fittedPixels[sides[at]]);
  return { low, sharp: await embed(rows, width, data) };
}

async function embedPhotos(rows: FaceRows, width: number, data: FaceData) {
  const low = new Map<number, Row[]>();
  for (const side of probedPixels) low.set(side, await embed(rows, width, data, () => side));
  return { sharp: (await embed(rows, width, data)).map(unit), low };
}

async function embed(
  faces: FaceRows,
  width: number,
  data: FaceData,
  pixelsOf: (at: number) => number | undefined = () => undefined,
): Promise<Row[]> {
  const requests = requestsIn(data, (at) => shrinkTo(pixelsOf(at)));
  const { rows } = await faces.embed(requests);
  return requests.map((_, at) => Float64Array.from(rows.subarray(at * width, (at + 1) * width)));
}

/** The linear map with a bias from `inputs` to `targets`, by ridge regression. */
export function fitMap(inputs: readonly Row[], targets: readonly Row[]): (input: Row) => Row {
  const width = itemAt(inputs, 0).length;
  const { mean: centre, covariance } = momentsOf(inputs);
  const spread = covariance.map((line, i) => Math.sqrt(line[i]));
  const scaled = (row: Row): number[] => [...centre.map((value, i) => (itemAt(row, i) - value) / itemAt(spread, i)), 1];
  const rows = inputs.map(scaled);
  const square = Array.from({ length: width + 1 }, (_, i) =>
    Array.from({ length: width + 1 }, (_, j) =>
      rows.reduce((sum, row) => sum + itemAt(row, i) * itemAt(row, j), i === j ? ridge * rows.length : 0),
    ),
  );
  const factor = cholesky(square);
  const map = Array.from({ length: width }, (_, out) =>
    solve(
      factor,
      Array.from({ length: width + 1 }, (_, i) =>
        rows.reduce((sum, row, at) => sum + itemAt(row, i) * itemAt(itemAt(targets, at), out), 0),
      ),
    ),
  );
  return (input) => {
    const row = scaled(input);
    return Float64Array.from(map, (weights) => dot(weights, row));
  };
}

function scores(
  test: { readonly sharp: readonly Row[]; readonly low: ReadonlyMap<number, readonly Row[]> },
  map: (row: Row) => Row,
) {
  return probedPixels.flatMap((side) => {
    const mapped = (test.low.get(side) ?? []).map((row) => unit(map(row)));
    const cosines = mapped.map((row) => test.sharp.map((other) => dot(row, other)));
    const own = cosines.map((line, at) => itemAt(line, at));
    const rank1 = mean(cosines.map((line, at) => (line.every((value) => value <= itemAt(own, at)) ? 1 : 0)));
    const half = 1.96 * Math.sqrt((rank1 * (1 - rank1)) / mapped.length);
    return [mean(own).toFixed(3), plusMinus({ value: rank1, low: rank1 - half, high: rank1 + half })];
  });
}

const unit = (row: Row): Row => {
  const length = Math.sqrt(dot(row, row));
  return row.map((value) => value / length);
};

/** Mean cosine between two different rows of unit length. */
function meanCosine(rows: readonly Row[]): number {
  const sum = itemAt(rows, 0).map((_, i) => rows.reduce((total, row) => total + itemAt(row, i), 0));
  return (dot(sum, sum) - rows.length) / (rows.length * (rows.length - 1));
}

/** In how many directions the rows vary: the participation ratio of the covariance. */
function directions(rows: readonly Row[]): number {
  const { covariance } = momentsOf(rows);
  const trace = covariance.reduce((sum, line, i) => sum + line[i], 0);
  return trace ** 2 / covariance.reduce((sum, line) => sum + dot(line, line), 0);
}
