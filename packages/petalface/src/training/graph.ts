import { differentiate, type Graph, ops } from "onnx-grad";
import { type AdapterConfig, buildAdapted, type Layout } from "../adapters/index.ts";
import type { Backbone } from "../backbones/index.ts";
import { cosface, distillation } from "./losses.ts";
import type { TrainingOptions } from "./options.ts";

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

/** Builds forward, loss and backward of one training step as one ordinary ONNX graph. `classes` is C; 0 without a margin loss. */
export function trainingGraph(
  backbone: Backbone,
  config: AdapterConfig,
  options: TrainingOptions,
  classes: number,
): TrainingGraph {
  const {
    builder: b,
    input,
    embedding,
    alpha,
    layout,
  } = buildAdapted(backbone, config, {
    theta: "input",
    alpha: "quality",
    batch: options.batch,
  });
  const o = ops(b);
  const usesDistillation = options.loss !== "cosface";
  const usesMargin = options.loss !== "distil";
  const terms: string[] = [];
  if (usesDistillation) {
    const target = b.input("target", { dtype: "float32", shape: [options.batch, backbone.width] });
    terms.push(distillation(o, embedding, target, options.distilWeight));
  }
  if (usesMargin) {
    const centres = b.input("centres", { dtype: "float32", shape: [classes, backbone.width] });
    const onehot = b.input("onehot", { dtype: "float32", shape: [options.batch, classes] });
    terms.push(cosface(o, embedding, centres, onehot, { margin: options.margin, scale: options.logitScale }));
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
    wrt: usesMargin ? ["theta", "centres"] : ["theta"],
    names: usesMargin ? ["grad_theta", "grad_centres"] : ["grad_theta"],
  });
  return {
    graph,
    layout,
    inputs: {
      image: input,
      theta: "theta",
      ...(usesDistillation && { target: "target" as const }),
      ...(usesMargin && { centres: "centres" as const, onehot: "onehot" as const }),
    },
    outputs: { loss: "loss", alpha, theta: "grad_theta", ...(usesMargin && { centres: "grad_centres" as const }) },
  };
}
