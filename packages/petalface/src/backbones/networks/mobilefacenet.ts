import { tupleOf } from "onnx-grad";
import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of arcface_torch's MobileFaceNet. */
export interface MobileFaceNetShape {
  /** Side of the image in pixels. */
  readonly image: number;
  /** Blocks of the four stages. */
  readonly blocks: readonly number[];
  /** Channels of the first stages in units of 64. */
  readonly width: number;
  /** Length of the embedding. */
  readonly embedding: number;
}

/**
 * MobileFaceNet (Chen et al. 2018, table 1) as arcface_torch has it, `mbf` and `mbf_large`: its
 * second layer is a convolution in 64 groups where there is one block only, and inner widths do not
 * grow with `width`. Names as in its state dict.
 */
export function mobileFaceNet({ image, blocks, width, embedding }: MobileFaceNetShape): Network {
  const net = layers("mobilefacenet", image);
  const [thin, wide] = [64 * width, 128 * width];
  const [first, second, third, fourth] = tupleOf(blocks, 4);
  let x = convBlock(net, net.image, "layers.0", thin, { kernel: 3, stride: 2, pad: 1 });
  x =
    first === 1
      ? convBlock(net, x, "layers.1", thin, { kernel: 3, pad: 1, group: 64 })
      : residual(net, x, "layers.1", first, 128);
  x = bottleneck(net, x, "layers.2", thin, 128, 2);
  x = residual(net, x, "layers.3", second, 128);
  x = bottleneck(net, x, "layers.4", wide, 256, 2);
  x = residual(net, x, "layers.5", third, 256);
  x = bottleneck(net, x, "layers.6", wide, 512, 2);
  x = residual(net, x, "layers.7", fourth, 256);
  x = convBlock(net, x, "conv_sep", 512, { kernel: 1 });
  // A depthwise convolution over all that is left of the image.
  const side = net.o.dim(x, -1);
  x = net.conv(x, "features.layers.0.layers.0", 512, { kernel: side, group: 512 });
  const flat = net.flatten(net.batchNorm(x, "features.layers.0.layers.1"));
  return net.done(
    net.batchNorm(net.linear(flat, "features.layers.2", embedding, { bias: false }), "features.layers.3"),
  );
}

/** Convolution, BatchNorm, PReLU. */
function convBlock(net: Layers, x: string, module: string, to: number, window: Parameters<Layers["conv"]>[3]): string {
  const y = net.batchNorm(net.conv(x, `${module}.layers.0`, to, window), `${module}.layers.1`);
  return net.prelu(y, `${module}.layers.2`);
}

/** 1x1, depthwise 3x3, 1x1. */
function bottleneck(net: Layers, x: string, module: string, to: number, inner: number, stride: number): string {
  let y = convBlock(net, x, `${module}.layers.0`, inner, { kernel: 1 });
  y = convBlock(net, y, `${module}.layers.1`, inner, { kernel: 3, stride, pad: 1, group: inner });
  return net.batchNorm(net.conv(y, `${module}.layers.2.layers.0`, to, { kernel: 1 }), `${module}.layers.2.layers.1`);
}

function residual(net: Layers, x: string, module: string, blocks: number, inner: number): string {
  const channels = net.o.dim(x, 1);
  let y = x;
  for (let index = 0; index < blocks; index++)
    y = net.sum(y, bottleneck(net, y, `${module}.layers.${index}`, channels, inner, 1), `${module}.layers.${index}`);
  return y;
}
