import { basename, join, resolve } from "node:path";
import { entryOf, type Graph, staticDims } from "onnx-grad";
import type { Contract } from "./contract.ts";

/** Where the files of a target go. */
export interface Places {
  readonly model: string;
  readonly detector?: string;
  readonly description?: string;
}

/**
 * Where a target's files go: below a folder as its product has them, or the model alone where `out`
 * names an `.onnx`.
 *
 * @param isDetector whether a detector is given that goes along
 */
export function placesOf({ layout }: Contract, out: string, isDetector: boolean): Places {
  if (/\.onnx$/i.test(out)) return { model: out };
  return {
    model: join(out, layout.model),
    ...(isDetector && layout.detector !== undefined && { detector: join(out, layout.detector) }),
    ...(layout.description && { description: join(out, layout.description.path) }),
  };
}

/** Images in a batch at most, where a description has to say. */
const mostInBatch = 32;

/** The file that describes a model to its product; undefined where there is none. */
export function descriptionOf({ layout }: Contract, out: string, graph: Graph): string | undefined {
  const [input = ""] = graph.inputs;
  const [output = ""] = graph.outputs;
  const dims = (name: string): readonly number[] => staticDims(entryOf(graph.types, name).shape.slice(1));
  switch (layout.description?.kind) {
    case "triton":
      return [
        `name: "${basename(resolve(out))}"`,
        'platform: "onnxruntime_onnx"',
        `max_batch_size: ${mostInBatch}`,
        `input [ { name: "${input}" data_type: TYPE_FP32 dims: [ ${dims(input).join(", ")} ] } ]`,
        `output [ { name: "${output}" data_type: TYPE_FP32 dims: [ ${dims(output).join(", ")} ] } ]`,
        "dynamic_batching { }",
        "",
      ].join("\n");
    case "deepstream":
      return [
        "[property]",
        "gpu-id=0",
        "gie-unique-id=2",
        "process-mode=2",
        `onnx-file=${basename(layout.model)}`,
        `infer-dims=${dims(input).join(";")}`,
        `batch-size=${mostInBatch}`,
        "# Pixels as they are, red first; the network normalises.",
        "net-scale-factor=1",
        "offsets=0;0;0",
        "model-color-format=0",
        "# float32: in half precision the quality of a face, and with it the gate, would be rounded.",
        "network-mode=0",
        "network-type=100",
        `output-blob-names=${output}`,
        "output-tensor-meta=1",
        "",
      ].join("\n");
    default:
      return undefined;
  }
}
