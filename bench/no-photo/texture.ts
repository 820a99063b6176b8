import { cholesky } from "../skeleton/linear.ts";
import { side } from "./plan.ts";

/**
 * How strong the detail is that a face space lacks, at each pixel, and over which distances it
 * varies: random detail with the same strength, colours and spectrum can be drawn from it. It holds
 * nothing of a person.
 */
export interface Texture {
  /** Standard deviation of the grey value at each pixel. */
  readonly strength: Float32Array;
  /** `[reach x reach]`: white noise convolved with it has the spectrum of the detail. */
  readonly kernel: Float32Array;
  /** Lower triangle: how the three colours vary together. */
  readonly colours: readonly (readonly number[])[];
}

const patch = 32;
const reach = 21;

/** The texture of details: differences of photos from their projections, H W C. */
export function fitTexture(details: readonly Float32Array[]): Texture {
  const pixels = side * side;
  const squares = new Float64Array(pixels);
  for (const detail of details)
    for (let at = 0; at < pixels; at++) squares[at] = (squares[at] ?? 0) + grey(detail, at) ** 2;
  const strength = Float32Array.from(squares, (sum) => Math.sqrt(sum / details.length));
  const power = new Float64Array(patch * patch);
  const together = [0, 1, 2].map(() => [0, 0, 0]);
  for (const detail of details) {
    const whitened = Float32Array.from(
      { length: pixels },
      (_, at) => grey(detail, at) / Math.max(strength[at] ?? 0, 1),
    );
    for (const top of [8, 40, 72]) for (const left of [8, 40, 72]) addPower(whitened, top, left, power);
    for (let at = 0; at < pixels; at += 7)
      for (let a = 0; a < 3; a++)
        for (let b = 0; b < 3; b++) {
          const row = together[a] as number[];
          const scale = Math.max(strength[at] ?? 0, 1) ** 2;
          row[b] = (row[b] ?? 0) + ((detail[3 * at + a] ?? 0) * (detail[3 * at + b] ?? 0)) / scale;
        }
  }
  const counted = details.length * Math.ceil(pixels / 7);
  return {
    strength,
    kernel: kernelOf(power),
    // The ridge keeps grey detail, whose colours are equal, from a negative root.
    colours: cholesky(together.map((row, a) => row.map((sum, b) => sum / counted + (a === b ? 1e-6 : 0)))),
  };
}

const grey = (detail: Float32Array, at: number): number =>
  0.299 * (detail[3 * at] ?? 0) + 0.587 * (detail[3 * at + 1] ?? 0) + 0.114 * (detail[3 * at + 2] ?? 0);

/** Adds the squared spectrum of one patch under a Hann window. */
function addPower(values: Float32Array, top: number, left: number, power: Float64Array): void {
  const window = (at: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / patch);
  const real = new Float64Array(patch * patch);
  for (let y = 0; y < patch; y++)
    for (let x = 0; x < patch; x++)
      real[y * patch + x] = (values[(top + y) * side + left + x] ?? 0) * window(y) * window(x);
  const [re, im] = transform(real, new Float64Array(patch * patch));
  for (let at = 0; at < power.length; at++) power[at] = (power[at] ?? 0) + (re[at] ?? 0) ** 2 + (im[at] ?? 0) ** 2;
}

/** The convolution kernel without phase whose spectrum is the root of `power`, of unit energy. */
function kernelOf(power: Float64Array): Float32Array {
  const [values] = transform(Float64Array.from(power, Math.sqrt), new Float64Array(power.length));
  const half = reach >> 1;
  const kernel = new Float32Array(reach * reach);
  for (let y = -half; y <= half; y++)
    for (let x = -half; x <= half; x++)
      kernel[(y + half) * reach + x + half] = values[((y + patch) % patch) * patch + ((x + patch) % patch)] ?? 0;
  const energy = Math.sqrt(kernel.reduce((sum, value) => sum + value * value, 0));
  return kernel.map((value) => value / energy);
}

/** Two-dimensional discrete Fourier transform, rows and then columns. */
function transform(re: Float64Array, im: Float64Array): [Float64Array, Float64Array] {
  let [a, b] = [re, im];
  const turns = Float64Array.from({ length: patch }, (_, at) => (-2 * Math.PI * at) / patch);
  const [cosine, sine] = [turns.map(Math.cos), turns.map(Math.sin)];
  for (let turn = 0; turn < 2; turn++) {
    const [outRe, outIm] = [new Float64Array(a.length), new Float64Array(a.length)];
    for (let row = 0; row < patch; row++)
      for (let k = 0; k < patch; k++) {
        let [sumRe, sumIm] = [0, 0];
        for (let x = 0; x < patch; x++) {
          const angle = (k * x) % patch;
          const [cos, sin] = [cosine[angle] ?? 0, sine[angle] ?? 0];
          const [p, q] = [a[row * patch + x] ?? 0, b[row * patch + x] ?? 0];
          sumRe += p * cos - q * sin;
          sumIm += p * sin + q * cos;
        }
        outRe[k * patch + row] = sumRe;
        outIm[k * patch + row] = sumIm;
      }
    [a, b] = [outRe, outIm];
  }
  return [a, b];
}

/** One draw, H W C. */
export function drawTexture({ strength, kernel, colours }: Texture, uniform: () => number): Float32Array {
  const half = reach >> 1;
  const wide = side + 2 * half;
  const planes = [0, 1, 2].map(() => {
    const noise = Float32Array.from({ length: wide * wide }, () => normal(uniform));
    const plane = new Float32Array(side * side);
    for (let dy = 0; dy < reach; dy++)
      for (let dx = 0; dx < reach; dx++) {
        const weight = kernel[dy * reach + dx] ?? 0;
        for (let y = 0; y < side; y++)
          for (let x = 0; x < side; x++)
            plane[y * side + x] = (plane[y * side + x] ?? 0) + weight * (noise[(y + dy) * wide + x + dx] ?? 0);
      }
    return plane;
  });
  const out = new Float32Array(3 * side * side);
  for (let at = 0; at < side * side; at++)
    for (let colour = 0; colour < 3; colour++) {
      let sum = 0;
      for (let part = 0; part <= colour; part++) sum += (colours[colour]?.[part] ?? 0) * (planes[part]?.[at] ?? 0);
      out[3 * at + colour] = sum * (strength[at] ?? 0);
    }
  return out;
}

export const normal = (uniform: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
