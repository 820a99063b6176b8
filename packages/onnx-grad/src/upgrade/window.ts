import { intsOf, stringOf } from "../graph/attributes.ts";
import { itemAt } from "../graph/item-at.ts";
import { failNode } from "../infer/call.ts";
import { type Upgrade, without } from "./target.ts";

/** onnxruntime takes no Conv with auto_pad SAME and dilations: the padding is written out. */
export const samePads: Upgrade = (b, node) => {
  const mode = stringOf(node, "auto_pad", "NOTSET");
  const dilations = intsOf(node, "dilations") ?? [];
  if (!mode.startsWith("SAME") || dilations.every((step) => step === 1)) return [node];
  const sizes = b.type(itemAt(node.inputs, 0)).shape.slice(2);
  const kernel = b.type(itemAt(node.inputs, 1)).shape.slice(2);
  const pads = sizes.map((size, i): readonly [number, number] => {
    const taps = kernel[i];
    if (typeof size !== "number" || typeof taps !== "number") failNode(node, "its spatial dimensions are open");
    const stride = intsOf(node, "strides")?.[i] ?? 1;
    const reach = (Math.ceil(size / stride) - 1) * stride + (taps - 1) * itemAt(dilations, i) + 1;
    const total = Math.max(reach - size, 0);
    const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
    return mode === "SAME_UPPER" ? [less, more] : [more, less];
  });
  const both = [...pads.map(([before]) => before), ...pads.map(([, after]) => after)];
  return [{ ...node, attributes: { ...without(node.attributes, "auto_pad"), pads: { ints: both } } }];
};
