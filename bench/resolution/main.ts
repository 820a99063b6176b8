/** The weights are in packages/petalface/src/quality/resolution.ts. */
import { itemAt } from "onnx-grad";
import { drawDegradation, openLoader, parseDegradation } from "petalface/images";
import { quantile } from "petalface/quality";
import { trainingFaces } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { cholesky, dot, solve } from "../skeleton/linear.ts";
import { table } from "../skeleton/page.ts";
import { mean } from "../skeleton/statistics.ts";

const side = 112;
const bands = [2, 3, 4, 5, 6, 8, 9, 11, 13, 15, 18, 21, 25, 29, 35, 41, 48, 57, 68, 80, 95, 112];
const floor = 100;
const sides = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 72, 88, 112];
/** Every photo is degraded the first way, every other one in all ways. */
const ways = [
  (k: number) => `lr:${k}`,
  (k: number) => `down=${k}:area,up=bicubic`,
  (k: number) => `down=${k}:area,noise=1-8,up=bilinear`,
  (k: number) => `down=${k}:area,jpeg=30-90,up=bilinear`,
];

const cosines = Float64Array.from({ length: side * side }, (_, i) => {
  const [row, column] = [Math.floor(i / side), i % side];
  return Math.cos((Math.PI * (column + 0.5) * row) / side) * Math.sqrt((row === 0 ? 1 : 2) / side);
});

/** Mean log power of the bands, of rows and columns together. */
function features(planes: Uint8Array): number[] {
  const area = side * side;
  const grey = Float64Array.from(
    { length: area },
    (_, i) => 0.299 * itemAt(planes, i) + 0.587 * itemAt(planes, area + i) + 0.114 * itemAt(planes, 2 * area + i),
  );
  const transformed = transform(transform(grey));
  const powers = [new Float64Array(side), new Float64Array(side)] as const;
  transformed.forEach((value, i) => {
    const [row, column] = [Math.floor(i / side), i % side];
    powers[0][row] = itemAt(powers[0], row) + value * value;
    powers[1][column] = itemAt(powers[1], column) + value * value;
  });
  return bands.slice(0, -1).map((start, band) => {
    const end = itemAt(bands, band + 1);
    let sum = 0;
    for (let at = start; at < end; at++) for (const power of powers) sum += Math.log(itemAt(power, at) + floor) / 2;
    return sum / (end - start);
  });
}

/** The cosine transform along one axis, transposed: twice is both axes. */
function transform(x: Float64Array): Float64Array {
  const out = new Float64Array(side * side);
  for (let row = 0; row < side; row++)
    for (let frequency = 0; frequency < side; frequency++) {
      let sum = 0;
      for (let column = 0; column < side; column++)
        sum += itemAt(x, row * side + column) * itemAt(cosines, frequency * side + column);
      out[frequency * side + row] = sum;
    }
  return out;
}

/** A photo at one resolution, one way. */
interface Sample {
  readonly x: readonly number[];
  readonly k: number;
  readonly way: number;
  readonly photo: number;
}

export default defineBenchmark({
  name: "resolution",
  title: "Weights of the measure `resolution`",
  measures: "Fits the weights of the quality measure `resolution` on photos, and how far its estimates are off.",
  minutes: 6,
  needs: "the shared photos",
  options: {
    photos: { help: "photos of LFW's people outside folds 1 to 6; four fifths are fitted on", default: 1100 },
    threads: { help: "threads that prepare photos", default: 2 },
  },
  async run({ photos, threads }) {
    const data = await trainingFaces(photos);
    const rows: Sample[] = [];
    await using loader = openLoader({ size: side, threads });
    for (let photo = 0; photo < photos; photo++) {
      const { source, id } = data.at(photo);
      const wanted = sides.flatMap((k) =>
        ways.slice(0, photo % 2 === 0 ? 1 : ways.length).map((make, way) => ({ k, way, spec: make(k) })),
      );
      const degrade = ({ k, way, spec }: (typeof wanted)[number]) =>
        k === side && way < 2 ? undefined : drawDegradation(parseDegradation(spec), id);
      const planes = await loader.load(wanted.map((each) => ({ source, flip: false, degrade: degrade(each) })));
      const face = 3 * side * side;
      wanted.forEach(({ k, way }, at) => {
        rows.push({ x: features(planes.subarray(at * face, (at + 1) * face)), k, way, photo });
      });
      if (photo % 100 === 99) console.error(`${photo + 1} of ${photos} photos`);
    }
    const { bias, weights } = fitted(rows.filter(({ photo }) => photo % 5 !== 4));
    const cells = sides.map((k) => {
      const found = rows
        .filter((row) => row.k === k && row.way === 0 && row.photo % 5 === 4)
        .map(({ x }) => 2 ** (bias + dot(x, weights)));
      return [k, ...[0.5, 0.05, 0.95].map((share) => quantile(found, share).toFixed(1))];
    });
    return {
      body: `Estimates of photos that were not fitted on, shrunk to k x k pixels by area and enlarged.

${table(["pixels", "median estimate", "5 %", "95 %"], cells)}

    bias ${bias.toFixed(5)}
    weights ${weights.map((value) => value.toFixed(5)).join(", ")}`,
    };
  },
});

/** Ridge regression of the logarithm of the resolution. */
function fitted(rows: readonly Sample[]): { readonly bias: number; readonly weights: readonly number[] } {
  const width = bands.length;
  const means = bands.slice(0, -1).map((_, i) => mean(rows.map(({ x }) => itemAt(x, i))));
  const matrix = Array.from({ length: width }, () => new Float64Array(width));
  const right = new Float64Array(width);
  for (const { x, k, way } of rows) {
    const centred = [...x.map((value, i) => value - itemAt(means, i)), 1];
    // The plain degradation counts twice.
    const weight = way === 0 ? 2 : 1;
    centred.forEach((a, i) => {
      right[i] += weight * a * Math.log2(k);
      centred.forEach((b, j) => {
        matrix[i][j] += weight * a * b;
      });
    });
  }
  for (let i = 0; i + 1 < width; i++) matrix[i][i] += rows.length / 1000;
  const solved = solve(cholesky(matrix), right);
  const weights = solved.slice(0, -1);
  return { bias: solved[width - 1] - dot(weights, means), weights };
}
