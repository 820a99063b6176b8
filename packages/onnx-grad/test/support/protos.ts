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
