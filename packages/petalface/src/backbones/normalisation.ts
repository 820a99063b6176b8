import { type Graph, itemAt, type Node, numbersOf, readTensor, type Shape } from "onnx-grad";
import type { Preprocessing } from "../models/index.ts";

/** A normalisation at the start of a graph: of each plane of the input, `(x - centre) / spread`. */
export interface InnerNormalisation {
  /** Names of its operators, in order. */
  readonly ops: readonly string[];
  /** Value of the input that becomes 0, per plane. */
  readonly centre: readonly [number, number, number];
  /** Distance from it that becomes 1, per plane. */
  readonly spread: readonly [number, number, number];
  /**
   * What the graph wants to be fed, as far as the numbers show it; undefined where they leave it
   * open.
   */
  readonly wants: "0..255" | "0..1" | "-1..1" | undefined;
}

/** Operators that change no number: the walk from the input passes them. */
const passing: ReadonlySet<string> = new Set(["Identity", "Cast", "Clip", "Round", "Transpose"]);

type Triple = readonly [number, number, number];

/**
 * One number, or one for each of three planes, of a constant that meets `[N, 3, H, W]` or
 * `[N, H, W, 3]`.
 */
function triple(graph: Graph, name: string | undefined): Triple | undefined {
  const constant = name === undefined ? undefined : graph.constants.get(name);
  if (constant?.dtype !== "float32" && constant?.dtype !== "float64") return undefined;
  const wide = constant.dims.filter((dim) => dim !== 1);
  if (wide.length > 1 || (wide[0] ?? 3) !== 3) return undefined;
  const [a, b = a, c = b] = numbersOf(readTensor(constant));
  return a === undefined || b === undefined || c === undefined ? undefined : [a, b, c];
}

const mapped = (f: (channel: number) => number): Triple => [f(0), f(1), f(2)];

/** `factor * x + shift` of a node with constants; undefined where it is none. */
function affine(graph: Graph, node: Node, value: string): { factor: Triple; shift: Triple } | undefined {
  const ones: Triple = [1, 1, 1];
  const zeros: Triple = [0, 0, 0];
  const first = node.inputs[0] === value;
  if (node.op === "BatchNormalization") {
    const [scale, bias, mean, variance] = node.inputs.slice(1).map((name) => triple(graph, name));
    if (!first || !scale || !bias || !mean || !variance) return undefined;
    const { epsilon } = node.attributes;
    const tiny = epsilon !== undefined && "float" in epsilon ? epsilon.float : 1e-5;
    const factor = mapped((c) => itemAt(scale, c) / Math.sqrt(itemAt(variance, c) + tiny));
    return { factor, shift: mapped((c) => itemAt(bias, c) - itemAt(mean, c) * itemAt(factor, c)) };
  }
  const other = triple(graph, node.inputs[first ? 1 : 0]);
  if (other === undefined) return undefined;
  if (node.op === "Add") return { factor: ones, shift: other };
  if (node.op === "Mul") return { factor: other, shift: zeros };
  if (node.op === "Sub")
    return first ? { factor: ones, shift: mapped((c) => -itemAt(other, c)) } : { factor: [-1, -1, -1], shift: other };
  if (node.op === "Div" && first) return { factor: mapped((c) => 1 / itemAt(other, c)), shift: zeros };
  return undefined;
}

/**
 * The normalisation that a recogniser does to its input itself: additions, products with constants
 * and batch normalisations before anything else. Where there is one, what it does shows what it
 * must be fed: a value in the middle of its range becomes about 0.
 *
 * @param graph in standard form
 * @returns undefined where there is none
 */
export function findNormalisation(graph: Graph, input: string): InnerNormalisation | undefined {
  let factor: Triple = [1, 1, 1];
  let shift: Triple = [0, 0, 0];
  const found: string[] = [];
  /** Centre and spread of the values that a first batch normalisation saw in training. */
  let seen: { mean: number; deviation: number } | undefined;
  let value = input;
  for (let steps = 0; steps < 32; steps++) {
    const users = graph.nodes.filter((node) => node.inputs.includes(value));
    const [node] = users;
    if (users.length !== 1 || node === undefined || node.domain !== "") break;
    if (!passing.has(node.op)) {
      const step = affine(graph, node, value);
      if (step === undefined || planesOf(graph.types.get(value)?.shape) === undefined) break;
      if (node.op === "BatchNormalization" && found.length === 0) seen = statisticsOf(graph, node);
      const [before, after] = [shift, factor];
      factor = mapped((c) => after[c] * step.factor[c]);
      shift = mapped((c) => before[c] * step.factor[c] + step.shift[c]);
      found.push(node.op);
    }
    value = node.outputs[0];
  }
  const [a, b, c] = factor;
  if (found.length === 0 || a === 0 || b === 0 || c === 0) return undefined;
  const centre = mapped((plane) => -itemAt(shift, plane) / itemAt(factor, plane));
  const spread = mapped((plane) => Math.abs(1 / itemAt(factor, plane)));
  return { ops: found, centre, spread, wants: wantsOf(mean(centre), mean(spread), seen) };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Which axis holds the three planes, if any does. */
const planesOf = (shape: Shape = []): number | undefined =>
  shape.length === 4 && (shape[1] === 3 || shape[3] === 3) ? (shape[1] === 3 ? 1 : 3) : undefined;

function statisticsOf(graph: Graph, node: Node): { mean: number; deviation: number } | undefined {
  const [centre, variance] = [triple(graph, node.inputs[3]), triple(graph, node.inputs[4])];
  return centre && variance && { mean: mean(centre), deviation: Math.sqrt(mean(variance)) };
}

/** Pixels of faces have a mean of about 120 and a deviation of about 60 levels of 255. */
function wantsOf(
  centre: number,
  spread: number,
  seen: { mean: number; deviation: number } | undefined,
): InnerNormalisation["wants"] {
  const within = (value: number, low: number, high: number): boolean => value >= low && value <= high;
  if (seen !== undefined) {
    // What it saw in training says more than what it makes of it.
    if (within(seen.mean, 50, 200) && within(seen.deviation, 15, 130)) return "0..255";
    if (within(seen.mean, 0.2, 0.8) && within(seen.deviation, 0.06, 0.5)) return "0..1";
    return within(Math.abs(seen.mean), 0, 0.6) && within(seen.deviation, 0.12, 1.1) ? "-1..1" : undefined;
  }
  if (within(centre, 50, 200) && within(spread, 0.9, 300)) return "0..255";
  if (within(centre, 0.2, 0.8) && within(spread, 0.05, 1.2)) return "0..1";
  // Division alone: by 255, 128 or so.
  return Math.abs(centre) < 1e-3 * spread && within(spread, 100, 300) ? "0..255" : undefined;
}

/**
 * Mean and scale that make of pixels what a graph with a normalisation of its own wants; undefined
 * where that stays open.
 */
export function feedingOf(inner: InnerNormalisation): Pick<Preprocessing, "mean" | "scale"> | undefined {
  const all = (number: number): Triple => [number, number, number] as const;
  if (inner.wants === "0..255") return { mean: all(0), scale: all(1) };
  if (inner.wants === "0..1") return { mean: all(0), scale: all(1 / 255) };
  return inner.wants === "-1..1" ? { mean: all(127.5), scale: all(1 / 127.5) } : undefined;
}
