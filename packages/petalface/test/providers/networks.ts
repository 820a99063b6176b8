import { differentiate, GraphBuilder, itemAt, type Ops, ops, type Tensor } from "onnx-grad";
import { findSites, initialTheta } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import type { LossName } from "../../src/training/losses/names.ts";
import { trainingOptions } from "../../src/training/options/options.ts";
import { trainingGraph } from "../../src/training/steps/graph.ts";
import { tinyAdapter, tinySize, tinyWidth } from "../support/backbone.ts";
import type { Case } from "./families.ts";

const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** A network under construction; `weight` makes a constant that the loss is differentiated by. */
interface Net {
  readonly o: Ops;
  weight(dims: number[], spread?: number, centre?: number): string;
}

/**
 * Gradients, by the image and every weight, of 1 - cos between the network's embedding `[2, 6]` and
 * a random direction.
 */
function networkCase(name: string, side: number, build: (net: Net, image: string) => string): Case {
  const b = new GraphBuilder({ name, opset: 20 });
  const o = ops(b);
  const stream = random(name, 1);
  const normal = (dims: readonly number[], spread: number, centre = 0): Tensor => ({
    dtype: "float32",
    dims,
    data: Float32Array.from({ length: sizeOf(dims) }, () => centre + spread * stream.normal()),
  });
  const weights: string[] = [];
  const weight: Net["weight"] = (dims, spread = 1 / Math.sqrt(sizeOf(dims) / itemAt(dims, 0)), centre = 0) => {
    const constant = b.constant(normal(dims, spread, centre), "weight");
    weights.push(constant);
    return constant;
  };
  const image = b.input("image", { dtype: "float32", shape: [2, 3, side, side] });
  const embedding = build({ o, weight }, image);
  const width = o.dim(embedding, 1);
  const unit = (x: string): string => o.div(x, o.sqrt(o.max(o.reduceSum(o.mul(x, x), [1]), 1e-12)));
  const target = unit(b.constant(normal([2, width], 1), "target"));
  const cosine = o.reduceSum(o.mul(unit(embedding), target), [1], false);
  const loss = o.mul(o.sub(1, o.reduceMean(cosine, [0], false)), 20);
  const graph = differentiate(b.build([loss, embedding]), { loss, wrt: [image, ...weights], outputs: [embedding] });
  return { name, graph, feeds: { image: normal([2, 3, side, side], 1) } };
}

/**
 * Stem, max pool, an inverted residual with a strided depthwise convolution, batch normalisation
 * and PReLU, as in MobileFaceNet.
 */
const convNet = (): Case =>
  networkCase("conv net", 16, ({ o, weight }, image) => {
    const norm = (x: string): string => {
      const channels = [o.dim(x, 1)];
      const constant = (value: number) => o.floats(new Float32Array(itemAt(channels, 0)).fill(value));
      const inputs = [x, weight(channels, 0.2, 1), weight(channels, 0.2), constant(0.1), constant(0.8)];
      return o.builder.add("BatchNormalization", inputs);
    };
    const conv = (x: string, out: number, inside: number, kernel: number, options: Parameters<Ops["conv"]>[2] = {}) =>
      norm(o.conv(x, weight([out, inside, kernel, kernel]), { pads: Array(4).fill((kernel - 1) / 2), ...options }));
    const prelu = (x: string): string => o.prelu(x, weight([o.dim(x, 1), 1, 1], 0.05, 0.25));
    const stem = prelu(conv(image, 8, 3, 3));
    const pooled = o.builder.add("MaxPool", [stem], {
      kernel_shape: { ints: [3, 3] },
      strides: { ints: [2, 2] },
      pads: { ints: [1, 1, 1, 1] },
    });
    const wide = prelu(conv(pooled, 12, 8, 1));
    const spread = prelu(conv(wide, 12, 1, 3, { group: 12, strides: [2, 2] }));
    const narrow = conv(spread, 8, 12, 1);
    const grouped = o.clip(conv(narrow, 8, 4, 3, { group: 2 }), 0, 6);
    const last = o.add(narrow, grouped);
    const global = conv(last, 8, 1, 4, { group: 8, pads: [0, 0, 0, 0] });
    return o.gemm(o.reshape(global, [2, 8]), weight([8, 6]), { c: weight([6], 0.1) });
  });

/**
 * Self-attention over the last two axes `[rows, tokens, width]`, with an optional bias on the
 * scores `[rows, heads, tokens, tokens]`.
 */
function attention({ o, weight }: Net, x: string, heads: number, bias?: (scores: string) => string): string {
  const [rows, tokens, width] = o.shape(x) as [number, number, number];
  const each = width / heads;
  const qkv = o.add(o.matmul(x, weight([width, 3 * width])), weight([3 * width], 0.1));
  const apart = o.transpose(o.reshape(qkv, [rows, tokens, 3, heads, each]), [2, 0, 3, 1, 4]);
  const [q, k, v] = o.split(apart, [1, 1, 1], 0).map((part) => o.squeeze(part, [0])) as [string, string, string];
  const scores = o.matmul(o.mul(q, 1 / Math.sqrt(each)), o.swap(k));
  const mixed = o.matmul(o.softmax(bias?.(scores) ?? scores), v);
  const joined = o.reshape(o.transpose(mixed, [0, 2, 1, 3]), [rows, tokens, width]);
  return o.add(o.matmul(joined, weight([width, width])), weight([width], 0.1));
}

const layerNorm = ({ o, weight }: Net, x: string): string => {
  const width = o.dim(x, -1);
  return o.builder.add("LayerNormalization", [x, weight([width], 0.1, 1), weight([width], 0.1)]);
};

function perceptron({ o, weight }: Net, x: string, approximate: "none" | "tanh"): string {
  const width = o.dim(x, -1);
  const hidden = o.add(o.matmul(x, weight([width, 2 * width])), weight([2 * width], 0.1));
  const active = o.builder.add("Gelu", [hidden], { approximate: { string: approximate } });
  return o.add(o.matmul(active, weight([2 * width, width])), weight([width], 0.1));
}

/**
 * Patches, a class token, positions, one pre-norm transformer block, and the class token's
 * embedding.
 */
const vitBlock = (): Case =>
  networkCase("ViT block", 16, (net, image) => {
    const { o, weight } = net;
    const patches = o.conv(image, weight([16, 3, 4, 4]), { strides: [4, 4] }, weight([16], 0.1));
    const tokens = o.transpose(o.reshape(patches, [2, 16, 16]), [0, 2, 1]);
    const first = o.expand(weight([1, 1, 16]), [2, 1, 16]);
    const x = o.add(o.concat([first, tokens], 1), weight([1, 17, 16], 0.1));
    const attended = o.add(x, attention(net, layerNorm(net, x), 2));
    const out = o.add(attended, perceptron(net, layerNorm(net, attended), "tanh"));
    const token = o.gather(layerNorm(net, out), o.scalar(0, "int64"), 1);
    return o.gemm(token, weight([6, 16]), { transB: true });
  });

/**
 * A shifted-window block: roll, windows of 2 x 2 tokens, relative position bias, mask, roll back,
 * then patch merging.
 */
const swinBlock = (): Case =>
  networkCase("Swin block", 16, (net, image) => {
    const { o, weight } = net;
    const width = 16;
    const roll = (x: string, by: number): string =>
      [1, 2].reduce((value, axis) => {
        const [head, tail] = o.split(value, by > 0 ? [by, 4 - by] : [4 + by, -by], axis) as [string, string];
        return o.concat([tail, head], axis);
      }, x);
    const patches = o.conv(image, weight([width, 3, 4, 4]), { strides: [4, 4] });
    const x = layerNorm(net, o.transpose(patches, [0, 2, 3, 1]));
    const shifted = roll(layerNorm(net, x), 1);
    const windows = o.reshape(o.transpose(o.reshape(shifted, [2, 2, 2, 2, 2, width]), [0, 1, 3, 2, 4, 5]), [
      8,
      4,
      width,
    ]);
    const table = weight([9, 2], 0.3);
    const relative = [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4];
    const mask = Float32Array.from({ length: 4 * 16 }, (_, i) => (i >= 16 && (i * 7) % 5 === 0 ? -100 : 0));
    const biased = (scores: string): string => {
      const bias = o.transpose(o.reshape(o.gather(table, o.ints(relative)), [4, 4, 2]), [2, 0, 1]);
      const open = o.reshape(o.add(scores, o.unsqueeze(bias, [0])), [2, 4, 2, 4, 4]);
      return o.reshape(o.add(open, o.floats(mask, [1, 4, 1, 4, 4])), [8, 2, 4, 4]);
    };
    const mixed = o.reshape(attention(net, windows, 2, biased), [2, 2, 2, 2, 2, width]);
    const back = roll(o.reshape(o.transpose(mixed, [0, 1, 3, 2, 4, 5]), [2, 4, 4, width]), -1);
    const attended = o.add(x, back);
    const out = o.add(attended, perceptron(net, layerNorm(net, attended), "none"));
    const quarters = [0, 1].flatMap((column) =>
      [0, 1].map((row) => o.slice(out, [row, column], [4, 4], [1, 2], [2, 2])),
    );
    const merged = o.matmul(layerNorm(net, o.concat(quarters, 3)), weight([4 * width, width]));
    return o.matmul(o.reduceMean(merged, [1, 2], false), weight([width, 6]));
  });

/** Whole networks with all their gradients. */
export const networks: readonly (readonly [name: string, make: () => Case])[] = [
  ["conv net", convNet],
  ["ViT block", vitBlock],
  ["Swin block", swinBlock],
];

/** petalface's own training graph on the tiny backbone in `model`. */
export async function trainingCase(model: string, loss: LossName, gate: "low" | "twin"): Promise<Case> {
  const backbone = await openBackbone(model);
  const batch = 3;
  const options = trainingOptions({ loss, gate, batch, rank: 4, sites: "all" });
  const config = tinyAdapter(
    findSites(backbone.graph).sites.map((site) => site.name),
    gate,
  );
  const classes = loss === "distil" ? 0 : 5;
  const training = trainingGraph(backbone, config, options, classes);
  const stream = random("providers", 1);
  const normal = (dims: number[], spread = 1): Tensor => ({
    dtype: "float32",
    dims,
    data: Float32Array.from({ length: sizeOf(dims) }, () => spread * stream.normal()),
  });
  const theta = (await initialTheta(backbone, training.layout, 1)).map((value) => value + 0.1 * stream.normal());
  const onehot = new Float32Array(batch * classes);
  for (let row = 0; row < batch && classes > 0; row++) onehot[row * classes + ((2 * row) % classes)] = 1;
  const feeds: Record<string, Tensor> = {
    [training.inputs.image]: normal([batch, 3, tinySize, tinySize]),
    theta: { dtype: "float32", dims: [theta.length], data: theta },
    ...(training.inputs.target && { target: normal([batch, tinyWidth], 1 / Math.sqrt(tinyWidth)) }),
    ...(training.inputs.centres && {
      centres: normal([classes, tinyWidth]),
      onehot: { dtype: "float32" as const, dims: [batch, classes], data: onehot },
    }),
  };
  return { name: `training graph, ${loss}, ${gate} gate`, graph: training.graph, feeds };
}
