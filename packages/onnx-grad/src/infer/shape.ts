import { type Dim, printShape, type Shape, sameDim } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import type { DType } from "../graph/tensor.ts";
import { axesOf, axisOf, fixed, type ShapeCall, type ShapeRule, type ShapeRules, sharedDType } from "./call.ts";
import { addDims, broadcast, divideSizes, sameSize, sizeOfShape } from "./dims.ts";
import { axesBefore } from "./reduce.ts";

/**
 * The shape that a reshape gives: 0 copies a dimension (unless `allowZero`), -1 takes what is left.
 */
export function reshapeTo(call: ShapeCall, from: Shape, target: readonly Dim[], allowZero: boolean): Shape {
  const problem = (): never => call.fail(`cannot reshape ${printShape(from)} to ${printShape(target)}`);
  const dims = target.map((dim, axis) => (dim === 0 && !allowZero ? (from[axis] ?? problem()) : dim));
  const open = dims.indexOf(-1);
  if (open !== dims.lastIndexOf(-1)) call.fail(`target ${printShape(target)} leaves two dimensions open`);
  const whole = sizeOfShape(from) ?? problem();
  const rest = sizeOfShape(dims.filter((_, axis) => axis !== open)) ?? problem();
  if (open < 0) {
    if (!sameSize(whole, rest)) problem();
    return dims;
  }
  dims[open] = divideSizes(whole, rest) ?? problem();
  return dims;
}

const reshape: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  return [{ dtype, shape: reshapeTo(call, shape, call.dims(1), call.int("allowzero", 0) !== 0) }];
};

const flatten: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const axis = call.int("axis", 1);
  const split = axis < 0 ? axis + shape.length : axis;
  if (split < 0 || split > shape.length) call.fail(`axis ${axis} is outside its input of rank ${shape.length}`);
  const join = (part: Shape): Dim => {
    const size = sizeOfShape(part);
    const dim = size && divideSizes(size, { times: 1, power: 0, symbol: "" });
    return dim ?? call.fail(`cannot flatten ${printShape(shape)}`);
  };
  return [{ dtype, shape: [join(shape.slice(0, split)), join(shape.slice(split))] }];
};

const transpose: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const order = call.ints("perm") ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (axesOf(call, order, shape.length).length !== shape.length) {
    call.fail(`perm [${order}] does not order the axes of ${printShape(shape)}`);
  }
  return [{ dtype, shape: order.map((axis) => itemAt(shape, axis)) }];
};

const squeeze: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const given = axesBefore(call, 13);
  if (given === undefined) return [{ dtype, shape: shape.filter((dim) => dim !== 1) }];
  const axes = axesOf(call, given, shape.length);
  const wrong = axes.find((axis) => shape[axis] !== 1);
  if (wrong !== undefined) call.fail(`axis ${wrong} of ${printShape(shape)} is not 1`);
  return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
};

const unsqueeze: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const given = axesBefore(call, 13) ?? call.fail("its axes are missing");
  const axes = axesOf(call, given, shape.length + given.length);
  const rest = shape.values();
  const result = Array.from({ length: shape.length + axes.length }, (_, axis) =>
    axes.includes(axis) ? 1 : (rest.next().value ?? call.fail("its axes are not those of its shape")),
  );
  return [{ dtype, shape: result }];
};

const concat: ShapeRule = (call: ShapeCall) => {
  const first = call.shape(0);
  const dtype = sharedDType(
    call,
    call.node.inputs.map((_, index) => index),
  );
  if (call.node.attributes.axis === undefined) call.fail(`attribute "axis" is missing`);
  const axis = axisOf(call, call.int("axis", 0), first.length);
  const shape = [...first];
  for (let index = 1; index < call.node.inputs.length; index++) {
    const next = call.shape(index);
    const fits =
      next.length === first.length && next.every((dim, at) => at === axis || sameDim(dim, itemAt(first, at)));
    const sum = fits ? addDims(itemAt(shape, axis), itemAt(next, axis)) : undefined;
    shape[axis] = sum ?? call.fail(`cannot join ${printShape(first)} and ${printShape(next)} along axis ${axis}`);
  }
  return [{ dtype, shape }];
};

const expand: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const target = call.dims(1);
  const result = broadcast(shape, target) ?? call.fail(`cannot expand ${printShape(shape)} to ${printShape(target)}`);
  return [{ dtype, shape: result }];
};

/** Channels, rows and columns of an image operator with its block size. */
function blocks(call: ShapeCall): { block: number; dtype: DType; shape: [Dim, number, number, number] } {
  const { dtype, shape } = call.type(0);
  const block = call.int("blocksize", 0);
  if (shape.length !== 4) call.fail(`input of shape ${printShape(shape)} is not a batch of images`);
  if (block < 1) call.fail(`attribute "blocksize" must be positive, not ${block}`);
  const side = (axis: number) => fixed(call, itemAt(shape, axis), "channels, rows or columns");
  return { block, dtype, shape: [itemAt(shape, 0), side(1), side(2), side(3)] };
}

const depthToSpace: ShapeRule = (call: ShapeCall) => {
  const { block, dtype, shape } = blocks(call);
  const [batch, channels, height, width] = shape;
  if (channels % block ** 2 !== 0) call.fail(`${channels} channels are not a multiple of ${block} x ${block}`);
  return [{ dtype, shape: [batch, channels / block ** 2, height * block, width * block] }];
};

const spaceToDepth: ShapeRule = (call: ShapeCall) => {
  const { block, dtype, shape } = blocks(call);
  const [batch, channels, height, width] = shape;
  if (height % block !== 0 || width % block !== 0)
    call.fail(`${height} x ${width} does not fall into blocks of ${block}`);
  return [{ dtype, shape: [batch, channels * block ** 2, height / block, width / block] }];
};

/** Operators that rearrange or join whole tensors. */
export const shapeShapes: ShapeRules = {
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Expand: expand,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
