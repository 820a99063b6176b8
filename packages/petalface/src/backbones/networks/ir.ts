import { tupleOf } from "onnx-grad";
import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of an IR network of AdaFace and CVLface. */
export interface IrShape {
  /** Number in its name; `ir_101` has 100 layers and may be given either way. */
  readonly depth: 18 | 34 | 50 | 100 | 101 | 152 | 200;
  /** Side of the image in pixels. */
  readonly image: number;
  /** Length of the embedding. */
  readonly embedding: number;
}

/** Blocks of the four stages. */
export const irBlocks: Readonly<Record<IrShape["depth"], readonly number[]>> = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 14, 3],
  100: [3, 13, 30, 3],
  101: [3, 13, 30, 3],
  152: [3, 8, 36, 3],
  200: [3, 24, 36, 3],
};

/** Beyond this depth blocks are bottlenecks, four times as wide outside as inside. */
const deepestBasic = 101;

/**
 * IR network (Deng et al. 2019) as AdaFace (Kim et al. 2022) and CVLface have it. As IResNet, but a
 * block that keeps its width halves the identity by dropping every second row and column, from 152
 * layers on blocks are bottlenecks, and the last BatchNorm has no weight.
 */
export function ir({ depth, image, embedding }: IrShape): Network {
  const net = layers(`ir${depth}`, image);
  const narrow = depth > deepestBasic ? 4 : 1;
  let x = net.conv(net.image, "input_layer.0", 64, { kernel: 3, pad: 1 });
  x = net.prelu(net.batchNorm(x, "input_layer.1"), "input_layer.2");
  let index = 0;
  for (const [stage, blocks] of irBlocks[depth].entries())
    for (let at = 0; at < blocks; at++)
      x = block(net, x, `body.${index++}`, 64 * narrow * 2 ** stage, narrow, at === 0 ? 2 : 1);
  const flat = net.flatten(net.batchNorm(x, "output_layer.0"));
  return net.done(net.batchNorm(net.linear(flat, "output_layer.3", embedding), "output_layer.4", { affine: false }));
}

function block(net: Layers, x: string, module: string, channels: number, narrow: number, stride: number): string {
  const inner = channels / narrow;
  const part = (index: number): string => `${module}.res_layer.${index}`;
  let y = net.batchNorm(x, part(0));
  if (narrow === 1) {
    y = net.conv(y, part(1), inner, { kernel: 3, pad: 1 });
    y = net.prelu(net.batchNorm(y, part(2)), part(3));
    y = net.batchNorm(net.conv(y, part(4), channels, { kernel: 3, stride, pad: 1 }), part(5));
  } else {
    y = net.conv(y, part(1), inner, { kernel: 1 });
    y = net.prelu(net.batchNorm(y, part(2)), part(3));
    y = net.conv(y, part(4), inner, { kernel: 3, pad: 1 });
    y = net.prelu(net.batchNorm(y, part(5)), part(6));
    y = net.batchNorm(net.conv(y, part(7), channels, { kernel: 1, stride }), part(8));
  }
  return net.sum(y, shortcut(net, x, `${module}.shortcut_layer`, channels, stride), module);
}

function shortcut(net: Layers, x: string, module: string, channels: number, stride: number): string {
  const { o } = net;
  const [from, height, width] = tupleOf(o.dims(x, 1), 3);
  if (from !== channels)
    return net.batchNorm(net.conv(x, `${module}.0`, channels, { kernel: 1, stride }), `${module}.1`);
  return stride === 1 ? x : o.slice(x, [0, 0], [height, width], [2, 3], [stride, stride]);
}
