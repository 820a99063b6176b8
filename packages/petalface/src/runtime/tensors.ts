import type { Tensor } from "onnx-grad";
import { Tensor as OrtTensor } from "onnxruntime-node";

/** Tensors by name as onnxruntime takes them; the numbers are shared, not copied. */
export const toOrt = (tensors: Readonly<Record<string, Tensor>>): Record<string, OrtTensor> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, data, dims }]) => [
      name,
      new OrtTensor(dtype as "float32", data as Float32Array, dims),
    ]),
  );

/** Tensors by name as onnxruntime gives them. */
export const fromOrt = (values: Readonly<Record<string, unknown>>): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(values as Readonly<Record<string, OrtTensor>>).map(([name, { type, dims, data }]) => [
      name,
      { dtype: type, dims, data } as Tensor,
    ]),
  );
