import { differentiate, GraphBuilder, itemAt, ops, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { anchorSoftmax, arcface } from "../../src/training/losses/losses.ts";
import { runMargin } from "../support/margin.ts";

const [faces, classes, width, margin, scale] = [4, 5, 3, 0.5, 16];
const labels = [0, 2, 4, 1];

/**
 * Embeddings and centres; the last face is nearly opposite to its own class, where angle + margin
 * is beyond pi.
 */
function inputs(): { embedding: Float32Array; centres: Float32Array } {
  const stream = random("arcface", 1);
  const normal = (length: number) => Float32Array.from({ length }, () => stream.normal());
  const embedding = normal(faces * width);
  const centres = normal(classes * width);
  for (let k = 0; k < width; k++)
    embedding[3 * width + k] = -2 * itemAt(centres, itemAt(labels, 3) * width + k) + (k === 0 ? 0.1 : 0);
  return { embedding, centres };
}

type Logit = (cosine: number) => { readonly value: number; readonly slope: number };
const turned: Logit = (cosine) => {
  const angle = Math.acos(cosine);
  return { value: Math.cos(angle + margin), slope: Math.sin(angle + margin) / Math.sin(angle) };
};
/** The two forms at the label, as their definition in words says it. */
const logits = {
  true: (cosine) =>
    Math.acos(cosine) + margin < Math.PI ? turned(cosine) : { value: cosine - margin * Math.sin(margin), slope: 1 },
  "straight-through": (cosine) => ({ value: turned(cosine).value, slope: 1 }),
} satisfies Record<string, Logit>;

/** Loss and gradient by the embeddings, derived by hand and computed in double precision. */
function byHand(embedding: Float32Array, centres: Float32Array, logit: Logit): { loss: number; gradient: number[] } {
  const row = (all: Float32Array, i: number): number[] => [...all.subarray(i * width, (i + 1) * width)];
  const unit = (v: number[]): number[] => v.map((x) => x / Math.hypot(...v));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * itemAt(b, i), 0);
  let loss = 0;
  const gradient = labels.flatMap((label, face) => {
    const e = row(embedding, face);
    const rows = Array.from({ length: classes }, (_, c) => unit(row(centres, c)));
    const cosines = rows.map((w) => dot(unit(e), w));
    const at = logit(itemAt(cosines, label));
    const z = cosines.map((cosine, c) => scale * (c === label ? at.value : cosine));
    const top = Math.max(...z);
    const total = z.reduce((sum, value) => sum + Math.exp(value - top), 0);
    loss += (top + Math.log(total) - itemAt(z, label)) / faces;
    const slopes = z.map((value, c) => {
      const p = Math.exp(value - top) / total;
      return (scale * (c === label ? (p - 1) * at.slope : p)) / faces;
    });
    // d cos / d e = (w - cos e/|e|) / |e|
    return e.map((_, k) =>
      slopes.reduce(
        (sum, slope, c) => sum + (slope * (rows[c]?.[k] - itemAt(cosines, c) * itemAt(unit(e), k))) / Math.hypot(...e),
        0,
      ),
    );
  });
  return { loss, gradient };
}

describe("arcface", () => {
  it.each(["true", "straight-through"] as const)("has the %s loss and gradient (1e-5 of the largest)", async (form) => {
    const { embedding, centres } = inputs();
    const { loss, gradient } = await runMargin(
      {
        embedding,
        centres,
        labels,
        width,
        build: (o, parts) => arcface(o, { ...parts, margin, scale, gradient: form, floor: 0 }),
      },
      "embedding",
    );
    const expected = byHand(embedding, centres, logits[form]);
    expect(loss).toBeCloseTo(expected.loss, 4);
    const largest = Math.max(...expected.gradient.map(Math.abs));
    expected.gradient.forEach((value, i) => {
      expect(Math.abs(itemAt(gradient, i) - value)).toBeLessThan(1e-5 * largest + 1e-6);
    });
  });
});

describe("softmax over anchors", () => {
  it("has the loss and gradient of its definition (1e-5 of the largest)", async () => {
    const anchors = 6;
    const stream = random("anchors", 2);
    const units = (rows: number): Float32Array => {
      const values = Float32Array.from({ length: rows * width }, () => stream.normal());
      return values.map((value, i) => {
        const start = Math.floor(i / width) * width;
        return value / Math.hypot(...values.subarray(start, start + width));
      });
    };
    const embedding = Float32Array.from({ length: faces * width }, () => 3 * stream.normal());
    const [target, rows] = [units(faces), units(anchors)];
    const others = Float32Array.from({ length: faces * anchors }, (_, at) => (at % 4 === 0 ? 0 : 1));
    const weight = 2.5;
    /** In double precision; the gradient by central differences. */
    const byHand = (values: ArrayLike<number>): number => {
      let loss = 0;
      for (let face = 0; face < faces; face++) {
        const e = Array.from({ length: width }, (_, k) => itemAt(values, face * width + k));
        const cosine = (other: Float32Array, row: number): number =>
          e.reduce((sum, x, k) => sum + x * itemAt(other, row * width + k), 0) / Math.hypot(...e);
        const own = Math.exp(scale * cosine(target, face));
        let all = own;
        for (let row = 0; row < anchors; row++)
          if (others[face * anchors + row] === 1) all += Math.exp(scale * cosine(rows, row));
        loss -= (weight / faces) * Math.log(own / all);
      }
      return loss;
    };
    const b = new GraphBuilder({ name: "anchors", opset: 18 });
    const o = ops(b);
    const x = b.input("embedding", { dtype: "float32", shape: [faces, width] });
    const t = b.input("target", { dtype: "float32", shape: [faces, width] });
    const a = b.input("anchors", { dtype: "float32", shape: [anchors, width] });
    const m = b.input("others", { dtype: "float32", shape: [faces, anchors] });
    const loss = anchorSoftmax(o, x, t, { anchors: a, others: m, scale, weight });
    const graph = differentiate(b.build([loss]), { loss, wrt: ["embedding"], names: ["grad"] });
    const session = await openSession(graph, { threads: 1 });
    const tensor = (data: Float32Array, columns: number): Tensor => ({
      dtype: "float32",
      dims: [data.length / columns, columns],
      data,
    });
    const found = await session.run({
      embedding: tensor(embedding, width),
      target: tensor(target, width),
      anchors: tensor(rows, width),
      others: tensor(others, anchors),
    });
    await session.close();
    expect(Math.abs(floatsOf(found, loss)[0] / byHand(embedding) - 1)).toBeLessThan(1e-5);
    const expected = Array.from(embedding, (_, at) => {
      const moved = (by: number): number => {
        const values = Float64Array.from(embedding);
        values[at] = itemAt(values, at) + by;
        return byHand(values);
      };
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
    const largest = Math.max(...expected.map(Math.abs));
    floatsOf(found, "grad").forEach((value, at) => {
      expect(Math.abs(value - itemAt(expected, at)) / largest).toBeLessThan(1e-5);
    });
  });
});
