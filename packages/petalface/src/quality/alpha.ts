import { entryOf, type Graph, GraphBuilder, ops } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { measureOf } from "./measures.ts";
import type { Calibration, QualityMeasure } from "./types.ts";
import type { QualityWeights } from "./weights.ts";

/**
 * Adds quality and calibration to a graph: from the network's input to alpha `[N]`, in [0, 1] but
 * for the paper's rule.
 */
export function buildAlpha(
  b: GraphBuilder,
  backbone: Backbone,
  calibration: Calibration,
  image: string,
  weights?: QualityWeights,
): string {
  if (calibration.kind === "given") throw notJudged();
  const score = measureOf(calibration.measure, weights).build(b, backbone, image);
  return alphaOfScore(b, calibration, score);
}

/** Alpha of one score; the same formula as in the graph, in double precision. */
export function alphaOf(calibration: Calibration, score: number): number {
  if (calibration.kind === "given") throw notJudged();
  if (calibration.kind === "paper") return 0.5 + (score - calibration.threshold);
  return Math.min(1, Math.max(0, (score - calibration.low) / (calibration.high - calibration.low)));
}

const notJudged = (): PetalfaceError =>
  new PetalfaceError(
    "PETAL_QUALITY_UNFIT",
    "the adapter has no rule for alpha; import it with 'quality' and 'alphaRange' or 'alphaThreshold', or export with 'alpha=input' or a number",
  );

function alphaOfScore(b: GraphBuilder, calibration: Calibration, score: string): string {
  if (calibration.kind === "given") throw notJudged();
  const o = ops(b);
  if (calibration.kind === "paper") return o.add(o.sub(score, calibration.threshold), 0.5);
  const slope = 1 / (calibration.high - calibration.low);
  return o.clip(o.mul(o.sub(score, calibration.low), slope), 0, 1);
}

/** One line for people: where alpha begins and ends, its threshold (alpha = 0.5) and slope. */
export function printCalibration(calibration: Calibration): string {
  const { measure } = calibration;
  if (calibration.kind === "given") return "alpha: an input for each image, not computed";
  if (calibration.kind === "paper")
    return `alpha: 0.5 + ${measure} - ${calibration.threshold.toFixed(2)}, the paper's rule, not clamped`;
  const { low, high } = calibration;
  const [threshold, slope] = [(low + high) / 2, 1 / (high - low)];
  return `alpha: ${measure} from ${low.toFixed(2)} (0) to ${high.toFixed(2)} (1); 0.5 at ${threshold.toFixed(2)}, slope ${slope.toFixed(3)}`;
}

/**
 * A graph of its own from the network's input to `score` `[N]` and, with a calibration, `alpha`
 * `[N]`; batch fixed or open.
 */
export function qualityGraph(
  backbone: Backbone,
  measure: QualityMeasure,
  calibration?: Calibration,
): { readonly graph: Graph; readonly score: string; readonly alpha?: string } {
  const b = new GraphBuilder({ name: `quality ${measure.name}`, opset: backbone.graph.opset });
  const image = b.input(backbone.input, entryOf(backbone.graph.types, backbone.input));
  const score = measure.build(b, backbone, image);
  if (calibration === undefined) return { graph: b.build([score]), score };
  const alpha = alphaOfScore(b, calibration, score);
  return { graph: b.build([score, alpha]), score, alpha };
}
