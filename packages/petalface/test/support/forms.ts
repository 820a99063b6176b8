import { type DType, type Graph, GraphBuilder, itemAt, type Ops, ops, type Shape } from "onnx-grad";
import { random } from "../../src/random.ts";

/** Side of the small recogniser's input, and length of its embedding. */
export const smallSize = 16;
export const smallWidth = 8;

/** How a small recogniser differs from the usual form. */
export interface FormOptions {
  readonly dtype?: DType;
  readonly nhwc?: boolean;
  /** The input's shape in place of `[N, 3, 16, 16]`. */
  readonly shape?: Shape;
  /** What is done to the input first, as float32 `[N, 3, 16, 16]`. */
  readonly first?: (o: Ops, b: GraphBuilder, x: string) => string;
  /** What is done to the features `[N, 8, 8, 8]` between two convolutions. */
  readonly middle?: (o: Ops, b: GraphBuilder, x: string) => string;
  /** The outputs made of the embedding `[N, 8]`; itself unless given. */
  readonly last?: (o: Ops, b: GraphBuilder, embedding: string) => readonly string[];
  readonly weights?: DType;
}

/**
 * A recogniser of a few hundred random weights, two convolutions and a product, in an unusual form.
 */
export function smallRecogniser(options: FormOptions = {}): Graph {
  const b = new GraphBuilder({ name: "small", opset: 18 });
  const o = ops(b);
  const stream = random("small recogniser", 1);
  const weights = (...dims: number[]): string => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const fanIn = count / itemAt(dims, 0);
    const data = Float32Array.from({ length: count }, () => stream.normal() / Math.sqrt(fanIn));
    const dtype = options.weights ?? "float32";
    if (dtype === "float64") return b.constant({ dtype, dims, data: Float64Array.from(data) }, "weight");
    return b.constant({ dtype: "float32", dims, data }, "weight");
  };
  const n = { symbol: "N", times: 1 };
  const usual = options.nhwc ? [n, smallSize, smallSize, 3] : [n, 3, smallSize, smallSize];
  const dtype = options.dtype ?? "float32";
  let x = b.input("image", { dtype, shape: options.shape ?? usual });
  if (options.nhwc) x = o.transpose(x, [0, 3, 1, 2]);
  x = o.cast(x, options.weights ?? "float32");
  if (options.first) x = options.first(o, b, x);
  x = o.relu(o.conv(x, weights(8, 3, 3, 3), { strides: [2, 2], pads: [1, 1, 1, 1] }));
  if (options.middle) x = options.middle(o, b, x);
  x = o.conv(x, weights(8, 8, 3, 3), { strides: [2, 2], pads: [1, 1, 1, 1] });
  const flat = b.add("Flatten", [x], { axis: { int: 1 } });
  const embedding = b.add("MatMul", [flat, weights(128, smallWidth)], {}, { name: "embedding" });
  return b.build(options.last ? options.last(o, b, embedding) : [embedding]);
}
