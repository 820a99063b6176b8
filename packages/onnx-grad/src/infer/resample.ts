import { type Dim, printShape, type Shape, timesDim, timesOf } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import { numbersOf } from "../graph/tensor.ts";
import { axesOf, type ShapeCall, type ShapeRule, type ShapeRules } from "./call.ts";

/** What a Resize does to each axis of its input. */
export interface Resizing {
  readonly shape: Shape;
  /** Output size over input size as onnxruntime takes it, in float32; 1 where the axis stays. */
  readonly scales: readonly number[];
}

/** The float numbers of a small constant input; undefined where it is absent or empty. */
function factorsAt(call: ShapeCall, index: number): number[] | undefined {
  if (!call.has(index)) return undefined;
  const factors = call.tensor(index);
  if (factors.dtype !== "float32") call.fail(`input ${index} must hold float32 scales`);
  return factors.data.length === 0 ? undefined : numbersOf(factors);
}

/** An axis enlarged by a factor: rounded down, as ONNX says. Open dimensions take whole factors. */
function scaled(call: ShapeCall, dim: Dim, factor: number): Dim {
  if (!(factor > 0 && Number.isFinite(factor))) call.fail(`a scale of ${factor} cannot be taken`);
  if (typeof dim === "number") return Math.floor(Math.fround(dim * factor));
  return Number.isInteger(factor) ? timesDim(dim, factor) : call.fail(`it scales the open batch by ${factor}`);
}

/** The factor between two sizes of an axis. */
function between(call: ShapeCall, from: Dim, to: Dim): number {
  const [a, b] = [timesOf(from), timesOf(to)];
  if (typeof from !== typeof to) call.fail(`it resizes ${printShape([from])} to ${printShape([to])}`);
  return a === b ? 1 : Math.fround(b / a);
}

/**
 * Sizes and scales of a Resize or Upsample node of any operator set, with the policy of operator
 * set 18 for aspect ratios.
 */
export function resizingOf(call: ShapeCall): Resizing {
  const { shape } = call.type(0);
  const old = call.node.op === "Upsample" || call.opset < 11;
  const attribute = call.node.attributes.scales;
  const stated = attribute !== undefined && "floats" in attribute ? attribute.floats : undefined;
  if (call.text("coordinate_transformation_mode", "") === "tf_crop_and_resize") {
    call.fail("tf_crop_and_resize is not supported");
  }
  const factors = old ? (stated ?? factorsAt(call, 1)) : factorsAt(call, 2);
  const sizes = factors === undefined && !old && call.has(3) ? call.dims(3) : undefined;
  const given = factors ?? sizes ?? call.fail("it has neither scales nor sizes");
  const named = call.opset >= 18 ? call.ints("axes") : undefined;
  const axes = named === undefined ? shape.map((_, axis) => axis) : axesOf(call, named, shape.length);
  if (given.length !== axes.length) call.fail(`it needs ${axes.length} scales or sizes, got ${given.length}`);

  const result = [...shape];
  const scales = shape.map(() => 1);
  const policy = call.text("keep_aspect_ratio_policy", "stretch");
  axes.forEach((axis, i) => {
    const dim = itemAt(shape, axis);
    const wanted = sizes?.[i];
    scales[axis] = wanted === undefined ? itemAt(factors ?? [], i) : between(call, dim, wanted);
    result[axis] = wanted ?? scaled(call, dim, itemAt(scales, axis));
  });
  if (sizes !== undefined && policy !== "stretch") {
    const ratios = axes.map((axis) => itemAt(scales, axis));
    const ratio = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
    for (const axis of axes) {
      const dim = shape[axis];
      if (typeof dim !== "number") call.fail("it resizes the open batch");
      scales[axis] = ratio;
      result[axis] = Math.round(Math.fround(ratio * dim));
    }
  }
  return { shape: result, scales };
}

const resize: ShapeRule = (call: ShapeCall) => [{ dtype: call.dtype(0), shape: resizingOf(call).shape }];

/** Operators that change the resolution. */
export const resampleShapes: ShapeRules = { Resize: resize, Upsample: resize };
