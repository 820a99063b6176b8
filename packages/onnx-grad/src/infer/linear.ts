import { type Dim, printShape, type Shape, sameDim } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import { present, type ShapeCall, type ShapeRule, type ShapeRules, sharedDType } from "./call.ts";
import { broadcast } from "./dims.ts";

/** The dimension at this place from the end, 1 for the last. */
const fromEnd = (shape: Shape, place: number): Dim => itemAt(shape, shape.length - place);

/** Shape of a matrix product with numpy's rules for vectors and stacks of matrices. */
function product(call: ShapeCall, a: Shape, b: Shape): Shape {
  if (a.length === 0 || b.length === 0) call.fail("a scalar has no matrix product");
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const stack = broadcast(left.slice(0, -2), right.slice(0, -2));
  if (stack === undefined || !sameDim(fromEnd(left, 1), fromEnd(right, 2))) {
    call.fail(`inputs of shape ${printShape(a)} and ${printShape(b)} do not multiply`);
  }
  const rows = a.length === 1 ? [] : [fromEnd(left, 2)];
  const columns = b.length === 1 ? [] : [fromEnd(right, 1)];
  return [...stack, ...rows, ...columns];
}

const swapLast = (shape: Shape): Shape =>
  shape.length < 2 ? shape : [...shape.slice(0, -2), fromEnd(shape, 1), fromEnd(shape, 2)];

const matmul: ShapeRule = (call) => [
  { dtype: sharedDType(call, [0, 1]), shape: product(call, call.shape(0), call.shape(1)) },
];

const fusedMatmul: ShapeRule = (call: ShapeCall) => {
  if (call.int("transBatchA", 0) !== 0 || call.int("transBatchB", 0) !== 0) {
    call.fail("transBatchA and transBatchB are not supported");
  }
  const a = call.int("transA", 0) === 0 ? call.shape(0) : swapLast(call.shape(0));
  const b = call.int("transB", 0) === 0 ? call.shape(1) : swapLast(call.shape(1));
  return [{ dtype: sharedDType(call, [0, 1]), shape: product(call, a, b) }];
};

const gemm: ShapeRule = (call: ShapeCall) => {
  const [a, b] = [call.shape(0), call.shape(1)];
  if (a.length !== 2 || b.length !== 2) {
    call.fail(`inputs must be matrices, got ${printShape(a)} and ${printShape(b)}`);
  }
  const left = call.int("transA", 0) === 0 ? a : swapLast(a);
  const right = call.int("transB", 0) === 0 ? b : swapLast(b);
  const shape = product(call, left, right);
  if (call.has(2) && broadcast(shape, call.shape(2))?.length !== 2) {
    call.fail(`bias of shape ${printShape(call.shape(2))} does not broadcast to ${printShape(shape)}`);
  }
  return [{ dtype: sharedDType(call, [0, 1, ...present(call, [2])]), shape }];
};

/** Matrix products. */
export const linearShapes: ShapeRules = {
  MatMul: matmul,
  "com.microsoft:FusedMatMul": fusedMatmul,
  Gemm: gemm,
};
