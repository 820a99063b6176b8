import type { Attributes } from "../graph/graph.ts";
import { int, ints, type Values } from "./values.ts";

/**
 * Geometry of a convolution or pooling window. Absent fields take ONNX's defaults; pads are all
 * starts, then all ends.
 */
export interface Window {
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly dilations?: readonly number[];
  readonly group?: number;
}

/** Products of matrices, and convolutions. */
export function linear({ builder: b }: Values) {
  const window = ({ strides, pads, dilations, group }: Window): Attributes => ({
    ...(strides && { strides: ints(strides) }),
    ...(pads && { pads: ints(pads) }),
    ...(dilations && { dilations: ints(dilations) }),
    ...(group !== undefined && { group: int(group) }),
  });
  const optional = (...inputs: readonly (string | undefined)[]): string[] => {
    const all = inputs.map((input) => input ?? "");
    while (all.at(-1) === "") all.pop();
    return all;
  };

  return {
    matmul: (x: string, y: string): string => b.add("MatMul", [x, y]),
    /** A product in Einstein's notation. */
    einsum: (equation: string, ...inputs: readonly string[]): string =>
      b.add("Einsum", inputs, { equation: { string: equation } }),
    /** `alpha * x' y' + beta * c` of matrices, where `'` transposes on request. */
    gemm: (
      x: string,
      y: string,
      options: { c?: string; transA?: boolean; transB?: boolean; alpha?: number; beta?: number } = {},
    ): string =>
      b.add("Gemm", optional(x, y, options.c), {
        ...(options.transA && { transA: int(1) }),
        ...(options.transB && { transB: int(1) }),
        ...(options.alpha !== undefined && { alpha: { float: options.alpha } }),
        ...(options.beta !== undefined && { beta: { float: options.beta } }),
      }),
    conv: (x: string, kernel: string, options: Window = {}, bias?: string): string =>
      b.add("Conv", optional(x, kernel, bias), window(options)),
    convTranspose: (
      x: string,
      kernel: string,
      options: Window & { readonly outputPadding?: readonly number[] } = {},
      bias?: string,
    ): string =>
      b.add("ConvTranspose", optional(x, kernel, bias), {
        ...window(options),
        ...(options.outputPadding && { output_padding: ints(options.outputPadding) }),
      }),
  };
}
