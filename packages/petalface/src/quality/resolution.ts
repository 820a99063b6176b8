import { itemAt, ops } from "onnx-grad";
import { greyOf } from "./grey.ts";
import { type Matrix, matrix, onBothAxes } from "./matrices.ts";
import type { QualityMeasure } from "./types.ts";

/**
 * Side at which the spectrum is looked at: a face of other size is brought to it, or its spectrum
 * cut.
 */
const side = 112;

/** First frequencies of the bands, in half periods a face, and the end of the last one. */
const bands = [2, 3, 4, 5, 6, 8, 9, 11, 13, 15, 18, 21, 25, 29, 35, 41, 48, 57, 68, 80, 95, 112] as const;

/**
 * log2 of the pixels as a linear function of the log power in the bands. Ridge regression on 1,100
 * LFW photos of people outside View 2's folds 1 to 6, each shrunk to 14 sizes from 8 to 88 px and
 * sharp; half of them also enlarged bicubically, with noise and with JPEG before and after, with
 * OpenCV's filters. `npm run bench -- resolution` repeats the fit with our own, without JPEG after
 * enlarging.
 */
const bias = 2.79396;
const weights = [
  -0.04855, -0.071, -0.09267, -0.01094, -0.10134, 0.07085, 0.04924, -0.02099, -0.01722, 0.02133, 0.05132, 0.13097,
  0.1149, 0.17568, 0.0904, 0.0762, 0.04713, -0.01326, -0.05713, 0.02247, 0.06378,
] as const;

/**
 * Power below which a band says nothing: rounding to 8 bits, sensor noise, JPEG. Squared grey
 * levels, summed over 112 coefficients.
 */
const floor = 100;

/**
 * Cosine transform (DCT-II, orthonormal) along an axis of `size`, its first `side` coefficients,
 * scaled as if the axis had `side` pixels. Smaller faces are enlarged bilinearly first, which adds
 * no detail.
 */
function transform(size: number): Matrix {
  const from = Math.max(size, side);
  const cosine = (row: number, column: number): number =>
    Math.cos((Math.PI * (column + 0.5) * row) / from) * Math.sqrt((row === 0 ? 1 : 2) / from) * Math.sqrt(side / from);
  if (size >= side) return matrix(side, size, cosine);
  const enlarged = matrix(side, size, (row, column) => {
    const at = Math.min(size - 1, Math.max(0, ((row + 0.5) * size) / side - 0.5));
    return Math.max(0, 1 - Math.abs(at - column));
  });
  const cosines = matrix(side, side, cosine);
  return matrix(side, size, (row, column) => {
    let sum = 0;
    for (let k = 0; k < side; k++) sum += cosines.data[row * side + k] * enlarged.data[k * size + column];
    return sum;
  });
}

/** Row `band` averages the frequencies of that band. */
const bandMeans = matrix(bands.length - 1, side, (band, at) => {
  const [start, end] = [itemAt(bands, band), itemAt(bands, band + 1)];
  return at >= start && at < end ? 1 / (end - start) : 0;
});

/**
 * Effective resolution: how many pixels a side the face really had before it was enlarged, read off
 * its spectrum. A face of k px holds nothing finer than k half periods, whatever size it was
 * brought to; a regression on the log power of its rows and columns finds where the spectrum ends.
 * Higher is sharper; between 8 and 56 px the median of the estimates is within 5 % of the truth.
 */
export const resolution: QualityMeasure = {
  name: "resolution",
  description: "effective resolution in pixels, from the end of the spectrum; needs no weights",
  build(b, backbone, image) {
    const o = ops(b);
    const spectrum = onBothAxes(o, greyOf(b, o, backbone, image), transform(backbone.size));
    const power = o.mul(spectrum, spectrum);
    const logs = [1, 2].map((axis) => o.log(o.add(o.reduceSum(power, [axis], false), floor)));
    // Mean over the two axes, then over each band, then the regression: one product.
    const column = new Float32Array(side);
    for (let at = 0; at < side; at++)
      weights.forEach((weight, band) => {
        column[at] += (weight * bandMeans.data[band * side + at]) / logs.length;
      });
    const octaves = o.squeeze(o.matmul(o.sum(logs), o.floats(column, [side, 1])), [1]);
    return o.exp(o.mul(o.add(octaves, bias), Math.LN2));
  },
};
