import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../../src/format/proto.ts";
import { bytesOfTensor, dtypeCode } from "../../src/graph/dtypes.ts";
import type { Tensor } from "../../src/graph/tensor.ts";

/** A float input or output; a dimension that is a text is open. */
export const value = (name: string, ...dims: (number | string)[]): ValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: 1,
      shape: { dim: dims.map((dim) => (typeof dim === "number" ? { dimValue: String(dim) } : { dimParam: dim })) },
    },
  },
});

/** A node named after its operator. */
export const node = (opType: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto => ({
  opType,
  name: `the ${opType}`,
  input,
  output,
  ...more,
});

/** An initializer that holds its numbers as raw data. */
export const raw = (name: string, tensor: Tensor): TensorProto => ({
  name,
  dims: tensor.dims.map(String),
  dataType: dtypeCode(tensor.dtype),
  rawData: bytesOfTensor(tensor),
});

/** A model of one relu, changed as a test wants. */
export const model = (graph: Partial<GraphProto> = {}, more: Partial<ModelProto> = {}): ModelProto => ({
  irVersion: "8",
  opsetImport: [{ domain: "", version: "13" }],
  graph: {
    name: "g",
    input: [value("x", 1, 4)],
    output: [value("y", 1, 4)],
    node: [node("Relu", ["x"], ["y"])],
    ...graph,
  },
  ...more,
});

/** A product with 40 x 50 weights in a file of their own, where the entries say. */
export const externalProduct = (entries: Record<string, string>, more: Partial<TensorProto> = {}): ModelProto =>
  model({
    input: [value("x", 1, 40)],
    output: [value("y", 1, 50)],
    node: [node("MatMul", ["x", "w"], ["y"])],
    initializer: [
      {
        name: "w",
        dims: ["40", "50"],
        dataType: 1,
        dataLocation: 1,
        externalData: Object.entries(entries).map(([key, text]) => ({ key, value: text })),
        ...more,
      },
    ],
  });
