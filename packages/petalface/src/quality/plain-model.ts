import { GraphBuilder } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";

/**
 * A stand-in for a face recogniser where only images are judged: pixels go in as they are, and no
 * network follows.
 */
export function plainModel(size: number): Backbone {
  const b = new GraphBuilder({ name: "pixels", opset: 20 });
  const input = b.input("pixels", { dtype: "float32", shape: [{ symbol: "N", times: 1 }, 3, size, size] });
  const output = b.add("Flatten", [input]);
  const spec = {
    name: "pixels",
    sha256: "",
    mean: [0, 0, 0],
    scale: [1, 1, 1],
    channels: "rgb",
  } as const;
  return { path: "", spec, graph: b.build([output]), input, output, size, width: 3 * size * size, parameters: 0 };
}
