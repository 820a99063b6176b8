import { differentiate, type Graph, ops } from "onnx-grad";
import { type AdapterConfig, buildAdapted, type Layout } from "../adapters/index.ts";
import type { Backbone } from "../backbones/index.ts";
import { arcface, cosface, distillation } from "./losses.ts";
import { type TrainingOptions, usesArcface, usesDistillation, usesMargin } from "./options.ts";

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
    /** Class centres of this step `[C, D]` and the faces' classes among them `[B, C]`. */
    readonly centres?: "centres";
    readonly onehot?: "onehot";
    /** Factors on the rank channels `[B, sites * rank]`. */
    readonly dropout?: "dropout";
  };
  readonly outputs: {
    readonly loss: "loss";
    readonly alpha: string;
    /** Gradient of theta `[P]`. */
    readonly theta: "grad_theta";
    /** Gradient of the class centres `[C, D]`. */
    readonly centres?: "grad_centres";
  };
}

/**
 * Builds forward, loss and backward of one training step, or of one of its parts (`accumulate`), as one ordinary ONNX graph: B is
 * `batch / accumulate`. `classes` is C; 0 without a margin loss.
 */
export function trainingGraph(
  backbone: Backbone,
  config: AdapterConfig,
  options: TrainingOptions,
  classes: number,
): TrainingGraph {
  const batch = options.batch / options.accumulate;
  const dropout = options.dropout > 0;
  const {
    builder: b,
    input,
    embedding,
    alpha,
    layout,
  } = buildAdapted(backbone, config, { theta: "input", alpha: "quality", batch, dropout });
  const o = ops(b);
  const distils = usesDistillation(options.loss);
  const classifies = usesMargin(options.loss);
  const terms: string[] = [];
  if (distils) {
    const target = b.input("target", { dtype: "float32", shape: [batch, backbone.width] });
    terms.push(distillation(o, embedding, target, options.distilWeight));
  }
  if (classifies) {
    const centres = b.input("centres", { dtype: "float32", shape: [classes, backbone.width] });
    const onehot = b.input("onehot", { dtype: "float32", shape: [batch, classes] });
    const parts = { embedding, centres, onehot, margin: options.margin, scale: options.logitScale };
    terms.push(usesArcface(options.loss) ? arcface(o, { ...parts, gradient: options.arcGradient }) : cosface(o, parts));
  }
  const loss = b.fresh("loss");
  b.push({
    op: "Identity",
    domain: "",
    name: b.fresh("loss"),
    inputs: [o.sum(terms)],
    outputs: [loss],
    attributes: {},
  });
  const graph = differentiate(b.build([loss, alpha]), {
    outputs: [alpha],
    loss,
    wrt: classifies ? ["theta", "centres"] : ["theta"],
    names: classifies ? ["grad_theta", "grad_centres"] : ["grad_theta"],
  });
  return {
    graph,
    layout,
    inputs: {
      image: input,
      theta: "theta",
      ...(distils && { target: "target" as const }),
      ...(classifies && { centres: "centres" as const, onehot: "onehot" as const }),
      ...(dropout && { dropout: "dropout" as const }),
    },
    outputs: { loss: "loss", alpha, theta: "grad_theta", ...(classifies && { centres: "grad_centres" as const }) },
  };
}
