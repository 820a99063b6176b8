import { itemAt } from "onnx-grad";
import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of an improved residual network for faces. */
export interface IResNetShape {
  /** Number in its name. */
  readonly depth: 18 | 34 | 50 | 100 | 200;
  /** Side of the image in pixels. */
  readonly image: number;
  /** Length of the embedding. */
  readonly embedding: number;
}

/** Blocks of the four stages. */
export const iresnetBlocks: Readonly<Record<IResNetShape["depth"], readonly number[]>> = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 14, 3],
  100: [3, 13, 30, 3],
  200: [6, 26, 60, 6],
};

/** Channels of the four stages. */
const stages = [64, 128, 256, 512];

/**
 * IResNet (Duta et al. 2020; ArcFace's backbone, Deng et al. 2019): a stem, four stages that halve
 * the image each, and BatchNorm -> flatten -> Linear -> BatchNorm. Names as in the state dict of
 * arcface_torch.
 */
export function iresnet({ depth, image, embedding }: IResNetShape): Network {
  const net = layers(`iresnet${depth}`, image);
  let x = net.conv(net.image, "conv1", 64, { kernel: 3, pad: 1 });
  x = net.prelu(net.batchNorm(x, "bn1"), "prelu");
  for (const [stage, blocks] of iresnetBlocks[depth].entries())
    for (let index = 0; index < blocks; index++)
      x = block(net, x, `layer${stage + 1}.${index}`, itemAt(stages, stage), index === 0);
  const features = net.linear(net.flatten(net.batchNorm(x, "bn2")), "fc", embedding);
  return net.done(net.batchNorm(features, "features"));
}

/**
 * BN, 3x3, BN, PReLU, 3x3, BN parallel to the identity; the first of a stage halves the image and
 * widens.
 */
function block(net: Layers, x: string, module: string, channels: number, first: boolean): string {
  const stride = first ? 2 : 1;
  let y = net.conv(net.batchNorm(x, `${module}.bn1`), `${module}.conv1`, channels, { kernel: 3, pad: 1 });
  y = net.prelu(net.batchNorm(y, `${module}.bn2`), `${module}.prelu`);
  y = net.conv(y, `${module}.conv2`, channels, { kernel: 3, stride, pad: 1 });
  y = net.batchNorm(y, `${module}.bn3`);
  if (!first) return net.sum(y, x, module);
  const short = net.conv(x, `${module}.downsample.0`, channels, { kernel: 1, stride });
  return net.sum(y, net.batchNorm(short, `${module}.downsample.1`), module);
}
