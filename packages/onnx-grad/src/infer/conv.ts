import { printShape } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import { fixed, MAX_STEP, present, type ShapeCall, type ShapeRule, type ShapeRules, sharedDType } from "./call.ts";

/** The window of a convolution or pooling over its spatial axes. */
interface Window {
  /** Sizes of the input's spatial axes. */
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  /** Extent of the dilated kernel along each axis. */
  readonly extents: readonly number[];
  /** Padding, start and end of an axis added; zero where auto_pad decides. */
  readonly pads: readonly number[];
  /** Padding at the start of each axis. */
  readonly heads: readonly number[];
  readonly autoPad: string;
}

/** What `auto_pad` may say. */
const AUTO_PADS = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"];

function windowOf(call: ShapeCall, kernel: readonly number[]): Window {
  const rank = kernel.length;
  const shape = call.shape(0);
  if (shape.length !== rank + 2) call.fail(`input of shape ${printShape(shape)} does not fit a ${rank}-D kernel`);
  const list = (name: string, length: number, fallback: number): readonly number[] => {
    const values = call.ints(name) ?? Array<number>(length).fill(fallback);
    if (values.length !== length) call.fail(`attribute "${name}" must have ${length} entries`);
    return values;
  };
  const strides = list("strides", rank, 1);
  const dilations = list("dilations", rank, 1);
  const pads = list("pads", 2 * rank, 0);
  if ([...kernel, ...strides, ...dilations].some((value) => value < 1)) {
    call.fail("kernel_shape, strides and dilations must be positive");
  }
  if ([...kernel, ...strides, ...dilations].some((value) => value > MAX_STEP)) {
    call.fail(`kernel_shape, strides and dilations must be at most ${MAX_STEP}`);
  }
  const autoPad = call.text("auto_pad", "NOTSET") || "NOTSET";
  if (!AUTO_PADS.includes(autoPad)) call.fail(`attribute "auto_pad" must be one of ${AUTO_PADS.join(", ")}`);
  return {
    sizes: shape.slice(2).map((dim) => fixed(call, dim, "a spatial dimension")),
    strides,
    extents: kernel.map((size, axis) => (size - 1) * itemAt(dilations, axis) + 1),
    pads: kernel.map((_, axis) => itemAt(pads, axis) + itemAt(pads, axis + rank)),
    heads: pads.slice(0, rank),
    autoPad,
  };
}

/** Output size along each spatial axis of a convolution or pooling. */
function slide(call: ShapeCall, window: Window, ceil: boolean): number[] {
  const { sizes, strides, extents, pads, heads, autoPad } = window;
  return sizes.map((size, axis) => {
    const stride = itemAt(strides, axis);
    if (autoPad.startsWith("SAME")) return Math.ceil(size / stride);
    const padded = size + (autoPad === "VALID" ? 0 : itemAt(pads, axis));
    const steps = (padded - itemAt(extents, axis)) / stride;
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    if (count < 1) call.fail(`its window is larger than the padded input (${extents[axis]} against ${padded})`);
    // A window that would start in the padding at the end is dropped, as onnxruntime does.
    return ceil && (count - 1) * stride >= size + itemAt(heads, axis) ? count - 1 : count;
  });
}

/** Kernel sizes from the weights, checked against the attribute. */
function kernelOf(call: ShapeCall): number[] {
  const weights = call.shape(1);
  const kernel = weights.slice(2).map((dim) => fixed(call, dim, "a kernel dimension"));
  const stated = call.ints("kernel_shape");
  if (stated !== undefined && String(stated) !== String(kernel)) {
    call.fail(`kernel_shape [${stated}] differs from its weights ${printShape(weights)}`);
  }
  if (kernel.length === 0) call.fail(`weights of shape ${printShape(weights)} have no kernel axes`);
  return kernel;
}

/** A bias has one number for each output channel, of the input's element type. */
function checkBias(call: ShapeCall, channels: number): void {
  sharedDType(call, present(call, [0, 2]));
  if (call.has(2) && String(call.shape(2)) !== String([channels]))
    call.fail(`bias of shape ${printShape(call.shape(2))} does not have one number for each of ${channels} channels`);
}

const conv: ShapeRule = (call: ShapeCall) => {
  const window = windowOf(call, kernelOf(call));
  const [batch, channels] = call.shape(0);
  const [out = 1, perGroup = 1] = call.shape(1).map((dim) => fixed(call, dim, "a weight dimension"));
  const group = call.int("group", 1);
  if (batch === undefined || channels !== perGroup * group || out % group !== 0) {
    call.fail(
      `weights ${printShape(call.shape(1))} in ${group} groups do not fit the input ${printShape(call.shape(0))}`,
    );
  }
  checkBias(call, out);
  return [{ dtype: sharedDType(call, [0, 1]), shape: [batch, out, ...slide(call, window, false)] }];
};

const convTranspose: ShapeRule = (call: ShapeCall) => {
  const window = windowOf(call, kernelOf(call));
  const [batch, channels] = call.shape(0);
  const [into = 1, perGroup = 1] = call.shape(1).map((dim) => fixed(call, dim, "a weight dimension"));
  if (batch === undefined || channels !== into) {
    call.fail(`weights ${printShape(call.shape(1))} do not fit the input ${printShape(call.shape(0))}`);
  }
  const extra = call.ints("output_padding");
  const stated = call.ints("output_shape");
  const dilations = call.ints("dilations");
  window.strides.forEach((stride, axis) => {
    const padding = extra?.[axis] ?? 0;
    if (padding < 0 || padding >= Math.max(stride, dilations?.[axis] ?? 1))
      call.fail(`output_padding [${extra}] must be smaller than the stride or the dilation`);
  });
  const spatial = window.sizes.map((size, axis) => {
    const stride = itemAt(window.strides, axis);
    const given = stated?.at(axis - window.sizes.length);
    if (given !== undefined) return given;
    if (window.autoPad.startsWith("SAME")) return size * stride;
    const pads = window.autoPad === "VALID" ? 0 : itemAt(window.pads, axis);
    return stride * (size - 1) + (extra?.[axis] ?? 0) + itemAt(window.extents, axis) - pads;
  });
  if (spatial.some((size) => size < 1)) call.fail(`its output would have spatial size [${spatial}]`);
  checkBias(call, perGroup * call.int("group", 1));
  return [{ dtype: sharedDType(call, [0, 1]), shape: [batch, perGroup * call.int("group", 1), ...spatial] }];
};

const pool: ShapeRule = (call: ShapeCall) => {
  const kernel = call.ints("kernel_shape") ?? call.fail(`attribute "kernel_shape" is missing`);
  const window = windowOf(call, kernel);
  const pads = window.autoPad === "NOTSET" ? (call.ints("pads") ?? []) : [];
  if (pads.some((padding, side) => padding >= itemAt(kernel, side % kernel.length))) {
    call.fail(`pads [${pads}] are as large as its kernel [${kernel}]; windows would lie in the padding alone`);
  }
  const spatial = slide(call, window, call.int("ceil_mode", 0) !== 0);
  const shape = [...call.shape(0).slice(0, 2), ...spatial];
  return [
    { dtype: call.dtype(0), shape },
    { dtype: "int64", shape },
  ];
};

const globalPool: ShapeRule = (call: ShapeCall) => {
  const shape = call.shape(0);
  if (shape.length < 3) call.fail(`input of shape ${printShape(shape)} has no spatial axes`);
  return [{ dtype: call.dtype(0), shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) }];
};

/** Convolutions and pooling. */
export const convShapes: ShapeRules = {
  Conv: conv,
  "com.microsoft:FusedConv": conv,
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: (call) => pool(call).slice(0, 1),
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
};
