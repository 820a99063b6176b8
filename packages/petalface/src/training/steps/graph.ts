import { differentiate, type Graph, ops } from "onnx-grad";
import { type AdapterConfig, buildAdapted, type Layout, type NoiseInput } from "../../adapters/index.ts";
import type { Backbone, ExternalScores } from "../../backbones/index.ts";
import { externalScores } from "../../quality/index.ts";
import { anchorSoftmax, distillation } from "../losses/losses.ts";
import type { Loss } from "../losses/margin.ts";
import { marginLoss } from "../losses/margin-loss.ts";
import { usesDistillation, usesMargin } from "../losses/names.ts";
import { lossStateSize } from "../losses/running.ts";
import type { TrainingOptions } from "../options/options.ts";

/** Names of the inputs and outputs of a training graph. Absent ones are not in the graph. */
export interface TrainingGraph {
  readonly graph: Graph;
  readonly layout: Layout;
  readonly inputs: {
    /** Faces `[B, 3, size, size]`. */
    readonly image: string;
    /** All trainable numbers `[P]`. */
    readonly theta: "theta";
    /** Unit targets of the distillation `[B, D]`. */
    readonly target?: "target";
    /** Unit anchors `[A, D]`, and which are of other people than the faces `[B, A]`. */
    readonly anchors?: "anchors";
    readonly others?: "others";
    /** Class centres of this step `[C, D]` and the faces' classes among them `[B, C]`. */
    readonly centres?: "centres";
    readonly onehot?: "onehot";
    /** What the loss keeps from step to step. */
    readonly lossState?: "loss_state";
    /** The quality of the faces `[B]`, where the graph does not see it. */
    readonly scores?: ExternalScores | undefined;
    /** New random values for every step, each `[B, width]`. */
    readonly noise: readonly NoiseInput[];
  };
  readonly outputs: {
    readonly loss: "loss";
    readonly alpha: string;
    /** Gradient of theta `[P]`. */
    readonly theta: "grad_theta";
    /** Gradient of the class centres `[C, D]`. */
    readonly centres?: "grad_centres";
    /** What the loss keeps, after this batch. */
    readonly lossState?: string;
    /** What this batch alone would give, which that follows. */
    readonly lossFound?: string;
    /** Means and variances that the batch normalisations found, where they train. */
    readonly statistics?: string;
  };
  /** How many numbers of a channel each of those saw. */
  readonly samples: readonly number[];
}

/**
 * Builds forward, loss and backward of one training step, or of one of its parts (`accumulate`), as
 * one ordinary ONNX graph: B is `batch / accumulate`. `classes` is C; 0 without a margin loss.
 * `anchors` is A; 0 without anchors.
 */
export function trainingGraph(
  backbone: Backbone,
  config: AdapterConfig,
  options: TrainingOptions,
  classes: number,
  anchors = 0,
): TrainingGraph {
  const batch = options.batch / options.accumulate;
  const { dropout: rank, outputDropout: output, dropPath: path, featureDropout: feature } = options;
  const {
    builder: b,
    input,
    embedding,
    alpha,
    layout,
    noise,
    batchStatistics,
    fixed,
  } = buildAdapted(backbone, config, {
    theta: "input",
    alpha: "quality",
    batch,
    noise: { rank, output, path, feature },
    ...(config.batchNorm === "train" && { statistics: "batch" }),
  });
  const o = ops(b);
  const distils = usesDistillation(options.loss);
  const classifies = usesMargin(options.loss);
  const terms: string[] = [];
  let margin: Loss | undefined;
  if (distils) {
    const target = b.input("target", { dtype: "float32", shape: [batch, backbone.width] });
    terms.push(distillation(o, embedding, target, options.distilWeight));
    if (anchors > 0) {
      const rows = b.input("anchors", { dtype: "float32", shape: [anchors, backbone.width] });
      const others = b.input("others", { dtype: "float32", shape: [batch, anchors] });
      const { anchorScale: scale, anchorWeight: weight } = options;
      terms.push(anchorSoftmax(o, embedding, target, { anchors: rows, others, scale, weight }));
    }
  }
  if (classifies) {
    const centres = b.input("centres", { dtype: "float32", shape: [classes, backbone.width] });
    const onehot = b.input("onehot", { dtype: "float32", shape: [batch, classes] });
    const size = lossStateSize(options.loss);
    const state = size === 0 ? "" : b.input("loss_state", { dtype: "float32", shape: [size] });
    margin = marginLoss(o, options, { embedding, centres, onehot, state });
    terms.push(margin.value);
  }
  const named = (name: string, value: string): string => {
    const output = b.fresh(name);
    b.alias(value, output, name);
    return output;
  };
  const loss = named("loss", o.sum(terms));
  const lossState = margin?.state === undefined ? undefined : named("loss_state_after", margin.state);
  const lossFound = margin?.found === undefined ? undefined : named("loss_found", margin.found);
  const others = [alpha, lossState, lossFound, batchStatistics?.value].filter((value) => value !== undefined);
  const graph = differentiate(b.build([loss, ...others]), {
    outputs: others,
    loss,
    wrt: classifies ? ["theta", "centres"] : ["theta"],
    names: classifies ? ["grad_theta", "grad_centres"] : ["grad_theta"],
    fixed: [...fixed, ...(margin?.fixed ?? [])],
  });
  return {
    graph,
    layout,
    inputs: {
      image: input,
      theta: "theta",
      ...(distils && { target: "target" as const }),
      ...(anchors > 0 && { anchors: "anchors" as const, others: "others" as const }),
      ...(classifies && { centres: "centres" as const, onehot: "onehot" as const }),
      ...(lossState && { lossState: "loss_state" as const }),
      scores: externalScores(config.calibration),
      noise,
    },
    outputs: {
      loss: "loss",
      alpha,
      theta: "grad_theta",
      ...(classifies && { centres: "grad_centres" as const }),
      ...(lossState && { lossState }),
      ...(lossFound && { lossFound }),
      ...(batchStatistics && { statistics: batchStatistics.value }),
    },
    samples: batchStatistics?.samples ?? [],
  };
}
