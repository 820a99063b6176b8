import { differentiate, GraphBuilder, itemAt, type Ops, ops, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { adaface, curricularface, magface } from "../../src/training/losses/adaptive-losses.ts";
import { cosface } from "../../src/training/losses/losses.ts";
import type { Loss, Margin } from "../../src/training/losses/margin.ts";

const [faces, classes, width, scale] = [6, 5, 4, 16];
const labels = [0, 2, 4, 1, 0, 3];
/** What the papers' formulas are evaluated with here. */
const [adaMargin, concentration, momentum, arcMargin] = [0.4, 0.333, 0.01, 0.5];
const [magnitudes, margins, weight] = [[1, 4] as const, [0.45, 0.8] as const, 35];

type Vector = readonly number[];

/**
 * Embeddings whose lengths differ, some close to their class, the last nearly opposite to it (angle
 * + margin beyond pi).
 */
function inputs(): { embedding: Vector; centres: Vector } {
  const stream = random("adaptive losses", 3);
  const centres = Array.from({ length: classes * width }, () => stream.normal());
  const lengths = [0.4, 1.2, 2, 2.7, 3.3, 6];
  const embedding = labels.flatMap((label, face) => {
    const own = centres.slice(label * width, (label + 1) * width);
    const pull = face === faces - 1 ? -8 : face / 2;
    const row = own.map((value) => pull * value + stream.normal());
    return row.map((value) => (itemAt(lengths, face) * value) / Math.hypot(...row));
  });
  return { embedding, centres };
}

const rowsOf = (all: Vector): number[][] =>
  Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width));

/** Cosines and lengths in double precision. */
function geometry(embedding: Vector, centres: Vector): { cosines: number[][]; lengths: number[] } {
  const unit = (row: Vector): number[] => row.map((value) => value / Math.hypot(...row));
  const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * itemAt(b, i), 0);
  const units = rowsOf(centres).map(unit);
  return {
    cosines: rowsOf(embedding).map((row) => units.map((centre) => dot(unit(row), centre))),
    lengths: rowsOf(embedding).map((row) => Math.hypot(...row)),
  };
}

const meanOf = (values: Vector): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Mean cross-entropy of logits. */
const crossEntropy = (logits: readonly Vector[]): number =>
  meanOf(
    logits.map((row, face) => {
      const top = Math.max(...row);
      const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0);
      return top + Math.log(total) - itemAt(row, itemAt(labels, face));
    }),
  );

/** Logits with the label's own in place of its cosine. */
const withOwn = (cosines: readonly Vector[], own: (cosine: number, face: number) => number): number[][] =>
  cosines.map((row, face) => row.map((cosine, c) => scale * (c === labels[face] ? own(cosine, face) : cosine)));

const arc = (cosine: number, margin: number): number =>
  Math.acos(cosine) + margin < Math.PI ? Math.cos(Math.acos(cosine) + margin) : cosine - margin * Math.sin(margin);

/**
 * The papers' formulas. `held` is what no gradient passes, worked out at the point where the
 * gradient is taken.
 */
interface Formula {
  readonly state: Vector;
  held(embedding: Vector, centres: Vector): { readonly values: Vector; readonly state: Vector };
  loss(embedding: Vector, centres: Vector, held: Vector): number;
  build(o: Ops, parts: Margin & { readonly state: string }): Loss;
}

const formulas: Readonly<Record<string, Formula>> = {
  adaface: {
    state: [2.5, 0.8, 1],
    held(embedding, centres) {
      const { lengths } = geometry(embedding, centres);
      const own = meanOf(lengths);
      const deviation = Math.sqrt(lengths.reduce((sum, value) => sum + (value - own) ** 2, 0) / (faces - 1));
      const [mean, spread] = [0.99 * 2.5 + 0.01 * own, 0.99 * 0.8 + 0.01 * deviation];
      const z = lengths.map((value) => clamp(((value - mean) / (spread + 1e-3)) * concentration, -1, 1));
      return { values: z, state: [mean, spread, 1] };
    },
    loss(embedding, centres, z) {
      const own = (cosine: number, face: number): number => {
        const grade = itemAt(z, face);
        const angle = clamp(Math.acos(cosine) - adaMargin * grade, 1e-3, Math.PI - 1e-3);
        return Math.cos(angle) - adaMargin * grade - adaMargin;
      };
      return crossEntropy(withOwn(geometry(embedding, centres).cosines, own));
    },
    build: (o, parts) => adaface(o, { ...parts, margin: adaMargin, concentration, momentum }),
  },
  magface: {
    state: [],
    held: () => ({ values: [], state: [] }),
    loss(embedding, centres) {
      const { cosines, lengths } = geometry(embedding, centres);
      const held = lengths.map((value) => clamp(value, ...magnitudes));
      const marginOf = (face: number): number =>
        margins[0] +
        ((margins[1] - margins[0]) * (itemAt(held, face) - magnitudes[0])) / (magnitudes[1] - magnitudes[0]);
      const reward = meanOf(held.map((a) => 1 / a + a / magnitudes[1] ** 2));
      return crossEntropy(withOwn(cosines, (cosine, face) => arc(cosine, marginOf(face)))) + weight * reward;
    },
    build: (o, parts) => magface(o, { ...parts, magnitudes: [...magnitudes], margins: [...margins], weight }),
  },
  curricularface: {
    state: [0.3],
    held(embedding, centres) {
      const { cosines } = geometry(embedding, centres);
      const t = 0.99 * 0.3 + 0.01 * meanOf(cosines.map((row, face) => itemAt(row, itemAt(labels, face))));
      return { values: [t], state: [t] };
    },
    loss(embedding, centres, [t = 0]) {
      const { cosines } = geometry(embedding, centres);
      const logits = cosines.map((row, face) => {
        const own = itemAt(row, itemAt(labels, face));
        const bar = Math.cos(Math.acos(own) + arcMargin);
        return row.map((cosine, c) => {
          if (c === labels[face]) return scale * arc(own, arcMargin);
          return scale * (cosine > bar ? cosine * (t + cosine) : cosine);
        });
      });
      return crossEntropy(logits);
    },
    build: (o, parts) => curricularface(o, { ...parts, margin: arcMargin, momentum }),
  },
};

const tensor = (data: Vector, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data: Float32Array.from(data) });
const onehot = labels.flatMap((label) => Array.from({ length: classes }, (_, c) => (c === label ? 1 : 0)));

/** Loss, gradients and state of a loss as the engine computes them. */
async function compute(
  build: Formula["build"],
  { embedding, centres }: ReturnType<typeof inputs>,
  state: Vector,
  floor = 0,
): Promise<{ loss: number; embedding: Float32Array; centres: Float32Array; state: Vector }> {
  const b = new GraphBuilder({ name: "loss", opset: 18 });
  const o = ops(b);
  const parts = {
    embedding: b.input("embedding", { dtype: "float32", shape: [faces, width] }),
    centres: b.input("centres", { dtype: "float32", shape: [classes, width] }),
    onehot: b.input("onehot", { dtype: "float32", shape: [faces, classes] }),
    state: state.length === 0 ? "" : b.input("state", { dtype: "float32", shape: [state.length] }),
  };
  const loss = build(o, { ...parts, scale, floor });
  const others = loss.state === undefined ? [] : [loss.state];
  const graph = differentiate(b.build([loss.value, ...others]), {
    loss: loss.value,
    fixed: loss.fixed,
    outputs: others,
    wrt: ["embedding", "centres"],
    names: ["dx", "dw"],
  });
  const session = await openSession(graph, { threads: 1 });
  const results = await session.run({
    embedding: tensor(embedding, faces, width),
    centres: tensor(centres, classes, width),
    onehot: tensor(onehot, faces, classes),
    ...(state.length > 0 && { state: tensor(state, state.length) }),
  });
  await session.close();
  return {
    loss: itemAt(floatsOf(results, loss.value), 0),
    embedding: floatsOf(results, "dx"),
    centres: floatsOf(results, "dw"),
    state: loss.state === undefined ? [] : [...floatsOf(results, loss.state)],
  };
}

const expectClose = (got: ArrayLike<number>, wanted: Vector, tolerance: number): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(itemAt(got, i) - value)).toBeLessThan(tolerance);
  });
};

describe("losses that adapt", () => {
  it.each(Object.entries(formulas))(
    "%s has the paper's value (1e-4), state (1e-6), and gradient (1e-4 of the largest, central differences in double)",
    async (_, { state, held, loss, build }) => {
      const point = inputs();
      const { embedding, centres } = point;
      const fixed = held(embedding, centres);
      const got = await compute(build, point, state);
      expect(Math.abs(got.loss - loss(embedding, centres, fixed.values))).toBeLessThan(1e-4);
      expectClose(got.state, fixed.state, 1e-6);
      const slopes = (of: Vector, at: (moved: Vector) => number): number[] =>
        of.map((_, i) => {
          const moved = (step: number): number => at(of.map((value, j) => (i === j ? value + step : value)));
          return (moved(1e-6) - moved(-1e-6)) / 2e-6;
        });
      for (const [name, wanted] of [
        ["embedding", slopes(embedding, (moved) => loss(moved, centres, fixed.values))],
        ["centres", slopes(centres, (moved) => loss(embedding, moved, fixed.values))],
      ] as const) {
        const largest = Math.max(...wanted.map(Math.abs));
        expect(largest).toBeGreaterThan(0.1);
        expectClose(got[name], wanted, 1e-4 * largest);
      }
    },
  );

  it("AdaFace starts with the statistics of its first batch", async () => {
    const point = inputs();
    const { lengths } = geometry(point.embedding, point.centres);
    const mean = meanOf(lengths);
    const deviation = Math.sqrt(lengths.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (faces - 1));
    const { state } = await compute(formulas.adaface.build, point, [0, 0, 0]);
    expectClose(state, [mean, deviation, 1], 1e-6);
  });

  it("the floor bounds each face's loss and leaves the gradient as it is", async () => {
    const build: Formula["build"] = (o, parts) => cosface(o, { ...parts, margin: 0.4 });
    const point = inputs();
    const { cosines } = geometry(point.embedding, point.centres);
    const logits = withOwn(cosines, (cosine) => cosine - 0.4);
    const each = logits.map((row, face) => {
      const top = Math.max(...row);
      return top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0)) - itemAt(row, itemAt(labels, face));
    });
    expect(Math.max(...each)).toBeGreaterThan(-Math.log(1e-3));
    const [without, floored] = [await compute(build, point, []), await compute(build, point, [], 1e-3)];
    expect(floored.loss).toBeCloseTo(meanOf(each.map((value) => Math.min(value, -Math.log(1e-3)))), 4);
    expect(floored.loss).toBeLessThan(without.loss - 0.1);
    expect(floored.embedding).toEqual(without.embedding);
    expect(floored.centres).toEqual(without.centres);
  });
});
