import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of foamliu's MobileFaceNet. */
export interface FoamliuShape {
  /** Side of the image in pixels. */
  readonly image: number;
  /** Length of the embedding. */
  readonly embedding: number;
}

/** Stages of inverted residuals: expansion, channels, blocks, stride of the first. */
const stages = [
  [2, 64, 5, 2],
  [4, 128, 1, 2],
  [2, 128, 6, 1],
  [4, 128, 1, 2],
  [2, 128, 2, 1],
] as const;

/**
 * MobileFaceNet (Chen et al. 2018, table 1) as github.com/foamliu/MobileFaceNet has it: ReLU6
 * instead of PReLU, and the last layer a 1x1 convolution with bias. Names as in its state dict.
 */
export function mobileFaceNetFoamliu({ image, embedding }: FoamliuShape): Network {
  const net = layers("mobilefacenet-foamliu", image);
  const { o } = net;
  let x = convRelu6(net, net.image, "conv1", 64, { kernel: 3, stride: 2, pad: 1 });
  x = o.relu(net.batchNorm(net.conv(x, "dw_conv.depthwise", 64, { kernel: 3, pad: 1, group: 64 }), "dw_conv.bn1"));
  x = o.relu(net.batchNorm(net.conv(x, "dw_conv.pointwise", 64, { kernel: 1 }), "dw_conv.bn2"));
  let index = 0;
  for (const [expansion, channels, blocks, stride] of stages)
    for (let at = 0; at < blocks; at++)
      x = invertedResidual(net, x, `features.${index++}`, channels, expansion, at === 0 ? stride : 1);
  x = convRelu6(net, x, "conv2", 512, { kernel: 1 });
  const side = o.dim(x, -1);
  x = net.batchNorm(net.conv(x, "gdconv.depthwise", 512, { kernel: side, group: 512 }), "gdconv.bn");
  x = net.batchNorm(net.conv(x, "conv3", embedding, { kernel: 1, bias: true }), "bn");
  return net.done(net.flatten(x));
}

function convRelu6(net: Layers, x: string, module: string, to: number, window: Parameters<Layers["conv"]>[3]): string {
  return net.o.clip(net.batchNorm(net.conv(x, `${module}.0`, to, window), `${module}.1`), 0, 6);
}

function invertedResidual(
  net: Layers,
  x: string,
  module: string,
  to: number,
  expansion: number,
  stride: number,
): string {
  const from = net.o.dim(x, 1);
  const inner = from * expansion;
  let y = convRelu6(net, x, `${module}.conv.0`, inner, { kernel: 1 });
  y = convRelu6(net, y, `${module}.conv.1`, inner, { kernel: 3, stride, pad: 1, group: inner });
  y = net.batchNorm(net.conv(y, `${module}.conv.2`, to, { kernel: 1 }), `${module}.conv.3`);
  return stride === 1 && from === to ? net.sum(x, y, module) : y;
}
