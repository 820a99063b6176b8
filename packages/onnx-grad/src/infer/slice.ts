import { type Dim, printDim, printShape, timesDim } from "../graph/dim.ts";
import type { ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { axesOf, axisOf, fixed, type ShapeCall, type ShapeRule, type ShapeRules } from "./call.ts";
import { addDims, divideDim } from "./dims.ts";

/**
 * Start, end and step of a slice, brought into the range of its axis; `count` elements are taken.
 */
export interface SliceRange {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What a slice takes from an axis of `size` elements, by ONNX's clamping rules. */
export function sliceRange(size: number, start: number, end: number, step: number): SliceRange {
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  const first = step > 0 ? clamp(from, 0, size) : clamp(from, 0, size - 1);
  const last = step > 0 ? clamp(to, 0, size) : clamp(to, -1, size - 1);
  return { start: first, step, count: Math.max(0, Math.ceil((last - first) / step)) };
}

function sliceDim(call: ShapeCall, dim: Dim, start: number, end: number, step: number): Dim {
  if (!Number.isInteger(step) || step === 0) call.fail(`a step of ${step} cannot be taken`);
  if (typeof dim === "number") return sliceRange(dim, start, end, step).count;
  const far = 2 ** 31 - 1;
  const whole = step === 1 ? start === 0 && end >= far : step === -1 && (start === -1 || start >= far) && end <= -far;
  if (whole) return dim;
  // The batch is at least 1, so a range inside `times` holds for every batch.
  if (start >= 0 && end >= start && end <= dim.times && step > 0) return Math.ceil((end - start) / step);
  call.fail(`cannot take [${start}:${end}:${step}] of the open dimension ${printDim(dim)}`);
}

/** Starts, ends, axes and steps of a Slice node, from attributes (before 10) or inputs. */
export function sliceArguments(call: ShapeCall): { starts: number[]; ends: number[]; axes: number[]; steps: number[] } {
  const old = call.opset < 10;
  const missing = (name: string): never => call.fail(`its ${name} are missing`);
  const starts = old ? [...(call.ints("starts") ?? missing("starts"))] : call.integers(1);
  const ends = old ? [...(call.ints("ends") ?? missing("ends"))] : call.integers(2);
  const given = old ? call.ints("axes") : call.has(3) ? call.integers(3) : undefined;
  const axes = axesOf(call, given ?? starts.map((_, index) => index), call.shape(0).length);
  const steps = !old && call.has(4) ? call.integers(4) : starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
    call.fail("starts, ends, axes and steps differ in length");
  }
  return { starts, ends, axes, steps };
}

const slice: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const { starts, ends, axes, steps } = sliceArguments(call);
  const result = [...shape];
  axes.forEach((axis, index) => {
    const [start, end, step] = [itemAt(starts, index), itemAt(ends, index), itemAt(steps, index)];
    result[axis] = sliceDim(call, itemAt(shape, axis), start, end, step);
  });
  return [{ dtype, shape: result }];
};

const split: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const axis = axisOf(call, call.int("axis", 0), shape.length);
  const dim = itemAt(shape, axis);
  const outputs = call.node.outputs.length;
  const sizes = call.opset < 13 ? call.ints("split") : call.has(1) ? call.integers(1) : undefined;
  const part = (size: Dim): ValueType => ({ dtype, shape: shape.map((old, at) => (at === axis ? size : old)) });
  if (sizes !== undefined) {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (sizes.length !== outputs || total !== dim) {
      call.fail(`parts [${sizes}] do not make up axis ${axis} of ${printShape(shape)} in ${outputs} outputs`);
    }
    return sizes.map(part);
  }
  const count = call.int("num_outputs", outputs);
  if (count !== outputs) call.fail(`it splits into ${count} parts but has ${outputs} outputs`);
  const even = divideDim(dim, count);
  if (even !== undefined) return Array.from({ length: count }, () => part(even));
  const size = fixed(call, dim, "the axis that is split");
  const chunk = Math.ceil(size / count);
  return Array.from({ length: count }, (_, index) => part(Math.max(0, Math.min(chunk, size - index * chunk))));
};

const tile: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const repeats = call.dims(1);
  if (repeats.length !== shape.length) call.fail(`it needs one repeat per axis of ${printShape(shape)}`);
  const result = shape.map((dim, axis) => {
    const repeat = itemAt(repeats, axis);
    if (typeof repeat === "number") return timesDim(dim, repeat);
    return typeof dim === "number" ? timesDim(repeat, dim) : call.fail("it would multiply the batch by itself");
  });
  return [{ dtype, shape: result }];
};

/** Pads of a Pad node per axis of its input: [before, after]. */
export function padsOf(call: ShapeCall): [number, number][] {
  const rank = call.shape(0).length;
  const pads = call.opset < 11 ? (call.ints("pads") ?? call.fail("its pads are missing")) : call.integers(1);
  const given = call.opset >= 18 && call.has(3) ? call.integers(3) : undefined;
  const axes = given === undefined ? Array.from({ length: rank }, (_, axis) => axis) : axesOf(call, given, rank);
  if (pads.length !== 2 * axes.length) call.fail(`it needs two pads per axis, got ${pads.length}`);
  const result = Array.from({ length: rank }, (): [number, number] => [0, 0]);
  axes.forEach((axis, index) => {
    result[axis] = [itemAt(pads, index), itemAt(pads, index + axes.length)];
  });
  return result;
}

/** What `mode` of a Pad may say. */
const PAD_MODES = ["constant", "reflect", "edge", "wrap"];

const pad: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const pads = padsOf(call);
  const mode = call.text("mode", "constant");
  if (!PAD_MODES.includes(mode)) call.fail(`attribute "mode" must be one of ${PAD_MODES.join(", ")}`);
  const result = shape.map((dim, axis) => {
    const [before, after] = itemAt(pads, axis);
    if (mode === "reflect" && typeof dim === "number" && Math.max(before, after) >= Math.max(dim, 1))
      call.fail(`it reflects ${Math.max(before, after)} elements of an axis of ${dim}`);
    return addDims(dim, before + after) ?? call.fail(`it pads the open dimension ${printDim(dim)}`);
  });
  return [{ dtype, shape: result }];
};

/** Operators that cut and extend tensors. */
export const sliceShapes: ShapeRules = { Slice: slice, Split: split, Tile: tile, Pad: pad };
