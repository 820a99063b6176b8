import { GraphBuilder, ops, type Tensor, writeModel } from "onnx-grad";
import type { Box, FivePoints } from "../../src/faces/geometry.ts";
import { type Prior, priorsOf } from "../../src/faces/priors.ts";

/**
 * Writes a network that puts out given numbers whatever it is shown, in the layout of a detector.
 */
export async function writeDetector(
  path: string,
  size: { readonly width: number; readonly height: number; readonly channels?: number },
  outputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>>,
): Promise<void> {
  const b = new GraphBuilder({ name: "detector", opset: 18 });
  const o = ops(b);
  const image = b.input("input", { dtype: "float32", shape: [1, size.channels ?? 3, size.height, size.width] });
  // The input has to matter somehow; times nought it does not.
  const nought = o.mul(o.reduceMean(image, [0, 1, 2, 3], false), 0);
  const names = Object.keys(outputs);
  for (const [name, { dims, data }] of Object.entries(outputs)) {
    const tensor: Tensor = { dtype: "float32", dims: [...dims], data };
    const inputs = [b.constant(tensor, "numbers"), nought];
    b.push({ op: "Add", domain: "", name: `put_${name}`, inputs, outputs: [name], attributes: {} });
  }
  await writeModel(b.build(names), path);
}

/** A face that {@link writeRetinaface} puts out for every photo, in pixels of its canvas. */
export interface PutFace {
  readonly box: Box;
  readonly points: FivePoints;
  readonly score: number;
}

/** Prior boxes of RetinaFace (biubug6/Pytorch_Retinaface, `data/config.py`). */
export const retinafaceLevels = [
  { stride: 8, sides: [16, 32] },
  { stride: 16, sides: [64, 128] },
  { stride: 32, sides: [256, 512] },
];

/** Offsets of a box from a prior box, the inverse of the decoding. */
export const offsets = (box: Box, { x, y, side }: Prior): number[] => [
  ((box[0] + box[2]) / 2 - x) / (0.1 * side),
  ((box[1] + box[3]) / 2 - y) / (0.1 * side),
  Math.log((box[2] - box[0]) / side) / 0.2,
  Math.log((box[3] - box[1]) / side) / 0.2,
];

/**
 * Writes a network in RetinaFace's published layout that finds the same faces in every photo; each
 * at the next prior box from `at` on.
 */
export async function writeRetinaface(
  path: string,
  size: { readonly width: number; readonly height: number },
  faces: readonly PutFace[],
  at = 0,
): Promise<void> {
  const priors = priorsOf(retinafaceLevels, size.width, size.height);
  const [loc, conf, landms] = [4, 2, 10].map((width) => new Float32Array(width * priors.length)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  faces.forEach(({ box, points, score }, number) => {
    const place = at + number;
    const prior = priors[place];
    conf.set([1 - score, score], 2 * place);
    loc.set(offsets(box, prior), 4 * place);
    const moved = points.flatMap(([x, y]) => [(x - prior.x) / (0.1 * prior.side), (y - prior.y) / (0.1 * prior.side)]);
    landms.set(moved, 10 * place);
  });
  const outputs = { loc: [4, loc], conf: [2, conf], landms: [10, landms] } as const;
  const named = Object.entries(outputs).map(
    ([name, [width, data]]) => [name, { dims: [1, priors.length, width], data }] as const,
  );
  await writeDetector(path, size, Object.fromEntries(named));
}
