import type { Attribute, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { failNode } from "../infer/call.ts";
import type { Target } from "../upgrade/target.ts";

interface Later {
  /** The operator set that brought the attribute. */
  readonly since: number;
  /** Whether the value means what a node without the attribute does. */
  readonly plain: (value: Attribute) => boolean;
}

const whole =
  (number: number) =>
  (value: Attribute): boolean =>
    "int" in value && value.int === number;
const text =
  (word: string) =>
  (value: Attribute): boolean =>
    "string" in value && value.string === word;
const never = (): boolean => false;

/** Attributes that operators gained after operator set 11. */
const attributes: Readonly<Record<string, Readonly<Record<string, Later>>>> = {
  ArgMax: { select_last_index: { since: 12, plain: whole(0) } },
  ArgMin: { select_last_index: { since: 12, plain: whole(0) } },
  AveragePool: {
    dilations: { since: 19, plain: (value) => "ints" in value && value.ints.every((step) => step === 1) },
  },
  BatchNormalization: { training_mode: { since: 14, plain: whole(0) } },
  Cast: { saturate: { since: 19, plain: whole(1) }, round_mode: { since: 24, plain: never } },
  DequantizeLinear: { axis: { since: 13, plain: never }, block_size: { since: 21, plain: whole(0) } },
  GatherND: { batch_dims: { since: 12, plain: whole(0) } },
  Pad: { mode: { since: 19, plain: (value) => !text("wrap")(value) } },
  QuantizeLinear: {
    axis: { since: 13, plain: never },
    saturate: { since: 19, plain: whole(1) },
    block_size: { since: 21, plain: whole(0) },
    output_dtype: { since: 21, plain: whole(0) },
  },
  Reshape: { allowzero: { since: 14, plain: whole(0) } },
  Resize: {
    antialias: { since: 18, plain: whole(0) },
    axes: { since: 18, plain: never },
    keep_aspect_ratio_policy: { since: 18, plain: text("stretch") },
  },
  ScatterElements: { reduction: { since: 16, plain: text("none") } },
  ScatterND: { reduction: { since: 16, plain: text("none") } },
  Shape: { start: { since: 15, plain: whole(0) }, end: { since: 15, plain: never } },
};

/** Attributes that only some of their values are newer than; those values stay. */
const widened: ReadonlySet<string> = new Set(["Pad mode"]);

/** The axis of one scale for everything means nothing. */
const isPerTensor = (b: Target, node: Node): boolean =>
  /^(?:De)?[Qq]uantizeLinear$/.test(node.op) && b.type(itemAt(node.inputs, 1)).shape.length === 0;

/**
 * The node without attributes that the operator set `b.to` does not know, where they say nothing.
 * Throws OnnxGradError where they do.
 */
export function withoutLater(b: Target, node: Node): Node {
  const known = attributes[node.op];
  if (known === undefined) return node;
  const kept = Object.entries(node.attributes).filter(([name, value]) => {
    const found = known[name];
    if (found === undefined || b.to >= found.since) return true;
    if (!found.plain(value) && !(name === "axis" && isPerTensor(b, node)))
      failNode(node, `its attribute "${name}" came with operator set ${found.since}, and ${b.to} is wanted`);
    return widened.has(`${node.op} ${name}`);
  });
  return { ...node, attributes: Object.fromEntries(kept) };
}
