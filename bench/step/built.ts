import { type Constant, type Graph, sizeOf } from "onnx-grad";
import { buildNetwork, parseArchitecture } from "../../packages/petalface/src/backbones/index.ts";
import { fillNetwork } from "../../packages/petalface/src/backbones/networks/layers.ts";

/** A network by its `--arch` name, with drawn weights: a step takes as long whatever they are. */
export function drawnNetwork(name: string): Graph {
  const network = buildNetwork(parseArchitecture(name).architecture);
  let state = 1;
  const draw = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return fillNetwork(network, (tensor): Constant => {
    const dims = network.tensors.get(tensor) ?? [];
    const data = new Float32Array(sizeOf(dims));
    // Norms are near one, slopes at a quarter, matrices keep the size of what they are given, all
    // else is small.
    const isNorm = dims.length === 1 && /(weight|var)$/.test(tensor);
    const [middle, spread] = isNorm
      ? [/prelu/.test(tensor) ? 0.25 : 1, 0.1]
      : [0, dims.length > 1 ? Math.sqrt(3 / sizeOf(dims.slice(1))) : 0.05];
    for (let i = 0; i < data.length; i++) data[i] = middle + spread * draw();
    return { dtype: "float32", dims, data };
  });
}
