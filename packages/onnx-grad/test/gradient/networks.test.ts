import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  checkGradients,
  type Graph,
  GraphBuilder,
  int64,
  type Ops,
  ops,
  readModel,
  setBatch,
  type Tensor,
  upgradeOpset,
} from "../../src/index.ts";
import { random, run } from "../run.ts";
import { shared } from "../support/engine.ts";

/**
 * Whole networks have bends (PReLU) and float32 noise that single rules do not: 1 part in 100, with
 * small steps.
 */
const tolerance = 1e-2;

/** A network under construction: `weight` makes a constant that the gradient is checked by. */
interface Net {
  readonly o: Ops;
  readonly weight: (dims: number[], scale?: number) => string;
}

async function check(
  inputs: Record<string, Tensor>,
  build: (net: Net) => string,
  options: { step?: number; wrt?: string[] } = {},
): Promise<void> {
  const b = new GraphBuilder({ name: "network", opset: 18 });
  for (const [name, { dtype, dims }] of Object.entries(inputs)) b.input(name, { dtype, shape: dims });
  const weights: string[] = [];
  const weight = (dims: number[], scale = 1 / Math.sqrt(dims.slice(1).reduce((product, dim) => product * dim, 1))) => {
    const name = b.constant(random(dims, weights.length + 11, scale * 1.5), "weight");
    weights.push(name);
    return name;
  };
  const loss = build({ o: ops(b), weight });
  const wrt = options.wrt ?? [...Object.keys(inputs), ...weights];
  const { errors } = await checkGradients(b.build([loss]), {
    loss,
    wrt,
    feeds: inputs,
    run,
    step: options.step ?? 2e-3,
  });
  expect([...errors].filter(([, error]) => !(error < tolerance))).toEqual([]);
}

const normalised = (o: Ops, x: string) => o.div(x, o.sqrt(o.max(o.reduceSum(o.mul(x, x), [1]), 1e-12)));

/** 20 (1 - cos) to a target, averaged. */
function distillation(o: Ops, embedding: string, target: string): string {
  const cosine = o.reduceSum(o.mul(normalised(o, embedding), normalised(o, target)), [1], false);
  return o.mul(o.sub(1, o.reduceMean(cosine, [0], false)), 20);
}

const frozen = (o: Ops, dims: number[], seed: number, low = -1, high = 1): string => {
  const data = Float32Array.from(
    random(dims, seed).data as Float32Array,
    (value) => low + ((value + 1) / 2) * (high - low),
  );
  return o.floats(data, dims);
};

function batchNorm(o: Ops, x: string, weight: Net["weight"]): string {
  const channels = o.dim(x, 1);
  const inputs = [
    x,
    weight([channels], 1),
    weight([channels], 1),
    frozen(o, [channels], 3),
    frozen(o, [channels], 4, 0.5, 1.5),
  ];
  return o.builder.add("BatchNormalization", inputs);
}

describe("whole networks", () => {
  it("MobileFaceNet-like: bottlenecks, strided depthwise, low-rank adapters from one flat vector", async () => {
    const rank = 3;
    const inputs = {
      x: random([2, 3, 16, 16], 1),
      theta: random([rank * 16 + 8 * rank], 2, 0.3),
      gate: random([2, rank, 1], 3),
      target: random([2, 6], 4),
    };
    await check(
      inputs,
      ({ o, weight }) => {
        // Slopes near 1: a bend that a step crosses then costs the finite difference little.
        const prelu = (x: string) => o.prelu(x, frozen(o, [o.dim(x, 1), 1, 1], 5, 0.95, 1));
        const pads = [1, 1, 1, 1];
        let x = prelu(o.conv("x", weight([8, 3, 3, 3]), { strides: [2, 2], pads }, weight([8], 0.1)));
        const wide = prelu(o.conv(x, weight([16, 8, 1, 1])));
        const deep = prelu(o.conv(wide, weight([16, 1, 3, 3], 0.4), { group: 16, strides: [2, 2], pads }));
        const [down, up] = o.split("theta", [rank * 16, 8 * rank]) as [string, string];
        const flat = o.reshape(deep, [2, 16, 16]);
        const low = o.mul(o.matmul(o.reshape(down, [rank, 16]), flat), "gate");
        const adapted = o.reshape(o.matmul(o.reshape(up, [8, rank]), low), [2, 8, 4, 4]);
        x = o.add(o.conv(deep, weight([8, 16, 1, 1])), adapted);
        x = o.add(
          x,
          o.conv(o.clip(o.conv(x, weight([8, 8, 1, 1])), -1.5, 1.5), weight([8, 1, 3, 3], 0.4), { group: 8, pads }),
        );
        x = o.conv(x, weight([8, 1, 4, 4], 0.3), { group: 8 });
        const embedding = o.reshape(o.conv(x, weight([6, 8, 1, 1])), [2, 6]);
        return distillation(o, embedding, "target");
      },
      { step: 3e-4 },
    );
  });

  it("IResNet-like block: BatchNorm, PReLU with trained slopes, strided shortcut, fully connected end", async () => {
    await check(
      { x: random([2, 4, 8, 8], 1), target: random([2, 5], 2) },
      ({ o, weight }) => {
        const pads = [1, 1, 1, 1];
        let x = o.conv(batchNorm(o, "x", weight), weight([6, 4, 3, 3]), { pads });
        x = o.prelu(batchNorm(o, x, weight), weight([6, 1, 1], 0.3));
        x = batchNorm(o, o.conv(x, weight([6, 6, 3, 3]), { strides: [2, 2], pads }), weight);
        const shortcut = batchNorm(o, o.conv("x", weight([6, 4, 1, 1]), { strides: [2, 2] }), weight);
        const flat = o.builder.add("Flatten", [o.add(x, shortcut)], { axis: { int: 1 } });
        return distillation(o, o.gemm(flat, weight([5, 96]), { transB: true, c: weight([5], 0.1) }), "target");
      },
      { step: 4e-4 },
    );
  });

  it("Swin block: shifted windows, relative position bias, gated low-rank update, Gelu spelt out", async () => {
    const [batch, side, window, dim, heads, rank] = [2, 4, 2, 8, 2, 2];
    const tokens = window * window;
    const windows = (side / window) ** 2;
    const inputs = {
      x: random([batch, side * side, dim], 1),
      down: random([rank, dim], 2),
      up: random([3 * dim, rank], 3),
      gate: random([batch, 1, 1, rank], 4),
    };
    await check(
      inputs,
      ({ o, weight }) => {
        const norm = (x: string) =>
          o.builder.add("LayerNormalization", [x, weight([dim], 1), weight([dim], 1)], {
            axis: { int: -1 },
            epsilon: { float: 1e-2 },
          });
        const roll = (x: string, by: number) => {
          const turned = (value: string, along: number) =>
            o.concat([o.slice(value, [by], [side], [along]), o.slice(value, [0], [by], [along])], along);
          return turned(turned(x, 1), 2);
        };
        const per = side / window;
        let x = roll(o.reshape(norm("x"), [batch, side, side, dim]), 1);
        x = o.transpose(o.reshape(x, [batch, per, window, per, window, dim]), [0, 1, 3, 2, 4, 5]);
        const inWindows = o.reshape(x, [batch, windows, tokens, dim]);
        const update = o.matmul(
          o.mul(o.matmul(inWindows, o.transpose("down", [1, 0])), "gate"),
          o.transpose("up", [1, 0]),
        );
        const qkv = o.add(o.add(o.matmul(inWindows, weight([dim, 3 * dim], 0.4)), weight([3 * dim], 0.1)), update);
        const split = o.transpose(o.reshape(qkv, [batch * windows, tokens, 3, heads, dim / heads]), [2, 0, 3, 1, 4]);
        const [q, k, v] = [0, 1, 2].map((which) => o.gather(split, o.builder.constant(int64(which)))) as [
          string,
          string,
          string,
        ];
        const index = Array.from({ length: tokens * tokens }, (_, i) => {
          const [a, b] = [Math.floor(i / tokens), i % tokens];
          return ((a >> 1) - (b >> 1) + 1) * 3 + ((a & 1) - (b & 1) + 1);
        });
        const bias = o.reshape(o.gather(weight([9, heads], 1), o.builder.constant(int64(index))), [
          tokens,
          tokens,
          heads,
        ]);
        const scores = o.add(
          o.matmul(o.mul(q, 0.5), o.transpose(k, [0, 1, 3, 2])),
          o.unsqueeze(o.transpose(bias, [2, 0, 1]), [0]),
        );
        const mixed = o.reshape(o.transpose(o.matmul(o.softmax(scores), v), [0, 2, 1, 3]), [
          batch,
          per,
          per,
          window,
          window,
          dim,
        ]);
        const back = roll(o.reshape(o.transpose(mixed, [0, 1, 3, 2, 4, 5]), [batch, side, side, dim]), side - 1);
        const attended = o.add("x", o.matmul(o.reshape(back, [batch, side * side, dim]), weight([dim, dim], 0.4)));
        const hidden = o.matmul(norm(attended), weight([dim, 2 * dim], 0.4));
        const gelu = o.mul(o.mul(hidden, o.add(o.erf(o.div(hidden, Math.SQRT2)), 1)), 0.5);
        const out = o.add(attended, o.matmul(gelu, weight([2 * dim, dim], 0.3)));
        return o.reduceMean(o.mul(out, out), undefined, false);
      },
      { step: 5e-3 },
    );
  });

  it("ViT block: class token, position table, layer norm spelt out, tanh Gelu, token 0", async () => {
    const [batch, dim, heads] = [2, 8, 2];
    await check(
      { x: random([batch, 3, 6, 6], 1) },
      ({ o, weight }) => {
        const norm = (x: string) => {
          const centred = o.sub(x, o.reduceMean(x, [-1]));
          const deviation = o.sqrt(o.add(o.reduceMean(o.pow(centred, 2), [-1]), 1e-2));
          return o.add(o.mul(o.div(centred, deviation), weight([dim], 1)), weight([dim], 1));
        };
        const patches = o.transpose(
          o.reshape(o.conv("x", weight([dim, 3, 3, 3]), { strides: [3, 3] }), [batch, dim, 4]),
          [0, 2, 1],
        );
        const token = o.expand(weight([1, 1, dim], 1), [batch, 1, dim]);
        const x = o.add(o.concat([token, patches], 1), weight([1, 5, dim], 0.5));
        const qkv = o.matmul(norm(x), weight([dim, 3 * dim], 0.4));
        const [q, k, v] = o
          .split(qkv, [dim, dim, dim], 2)
          .map((part) => o.transpose(o.reshape(part, [batch, 5, heads, dim / heads]), [0, 2, 1, 3])) as [
          string,
          string,
          string,
        ];
        const mixed = o.matmul(o.softmax(o.mul(o.matmul(q, o.swap(k)), 0.5)), v);
        const attended = o.add(
          x,
          o.matmul(o.reshape(o.transpose(mixed, [0, 2, 1, 3]), [batch, 5, dim]), weight([dim, dim], 0.4)),
        );
        const hidden = o.matmul(norm(attended), weight([dim, dim], 0.4));
        const t = o.tanh(o.mul(o.add(hidden, o.mul(o.pow(hidden, 3), 0.044715)), Math.sqrt(2 / Math.PI)));
        const out = o.add(attended, o.mul(o.mul(hidden, 0.5), o.add(t, 1)));
        const first = o.gather(out, o.builder.constant(int64(0)), 1);
        return o.reduceSum(o.mul(first, first), undefined, false);
      },
      { step: 5e-3 },
    );
  });

  it("CosFace: scaled cosine logits less a margin, log-softmax, labels as one-hot input", async () => {
    const onehot: Tensor = { dtype: "float32", dims: [3, 5], data: new Float32Array(15) };
    [1, 4, 1].forEach((label, row) => {
      onehot.data[row * 5 + label] = 1;
    });
    const inputs = { embedding: random([3, 8], 1), centres: random([5, 8], 2), onehot };
    await check(
      inputs,
      ({ o }) => {
        const cosine = o.matmul(normalised(o, "embedding"), o.transpose(normalised(o, "centres"), [1, 0]));
        const logits = o.mul(o.sub(cosine, o.mul("onehot", 0.4)), 64);
        const likelihood = o.reduceSum(o.mul(o.logSoftmax(logits, 1), "onehot"), [1], false);
        return o.neg(o.reduceMean(likelihood, [0], false));
      },
      { wrt: ["embedding", "centres"], step: 1e-3 },
    );
  });
});

const models = ["mobilefacenet", "fr_feature"];
const present = models.every((name) => existsSync(join(shared, "weights", `${name}.onnx`)));

describe.skipIf(!present)("real models (needs shared/weights)", () => {
  it.each(models)(
    "%s: gradient by the image (and a kernel in the middle)",
    async (name) => {
      const graph = upgradeOpset(setBatch(await readModel(join(shared, "weights", `${name}.onnx`)), 2));
      const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
      const b = new GraphBuilder(graph);
      const o = ops(b);
      const loss = distillation(o, output, b.constant(random(b.shape(output) as number[], 5)));
      const convolutions: Graph["nodes"] = graph.nodes.filter((node) => node.op === "Conv");
      const kernel = convolutions[Math.floor(convolutions.length / 2)]?.inputs[1];
      // fr_feature takes pixels as they are: its weights are too sensitive for a finite difference
      // in float32.
      const pixels = name === "fr_feature";
      const feeds = { [input]: random([2, 3, 112, 112], 3, pixels ? 127 : 1) };
      const graphOfLoss = b.build([loss]);
      const worst = async (wrt: string, step: number, own: boolean): Promise<number> => {
        const options = { loss, feeds, run, wrt: [wrt], step, own, directions: own ? 0 : 2 };
        return (await checkGradients(graphOfLoss, options)).worst;
      };
      expect(await worst(input, pixels ? 1e-2 : 1e-4, true)).toBeLessThan(tolerance);
      if (!pixels) expect(await worst(kernel, 1e-4, true)).toBeLessThan(tolerance);
      // The slope is 200 times smaller here, and the step 40 times larger: bends cost a tenth, a
      // missing part far more.
      expect(await worst(input, pixels ? 0.5 : 4e-3, false)).toBeLessThan(0.2);
      if (!pixels) expect(await worst(kernel, 1e-3, false)).toBeLessThan(0.2);
    },
    60_000,
  );
});
