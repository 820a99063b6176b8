import { type Constant, type Graph, sizeOf } from "onnx-grad";
import { buildNetwork, fillNetwork, parseArchitecture } from "petalface/backbones";
import { drawer, drawFloats } from "../skeleton/statistics.ts";

/** A network by its `--arch` name, with drawn weights: a step takes as long whatever they are. */
export function drawnNetwork(name: string): Graph {
  const network = buildNetwork(parseArchitecture(name).architecture);
  const draw = drawer(1);
  return fillNetwork(network, (tensor): Constant => {
    const dims = network.tensors.get(tensor) ?? [];
    // Norms are near one, slopes at a quarter, matrices keep the size of what they are given, all
    // else is small.
    const isNorm = dims.length === 1 && /(weight|var)$/.test(tensor);
    const [middle, spread] = isNorm
      ? [/prelu/.test(tensor) ? 0.25 : 1, 0.1]
      : [0, dims.length > 1 ? Math.sqrt(3 / sizeOf(dims.slice(1))) : 0.05];
    return { dtype: "float32", dims, data: drawFloats(draw, sizeOf(dims), spread, middle) };
  });
}
