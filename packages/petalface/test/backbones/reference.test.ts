import { differentiate, itemAt, ops, sizeOf, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { type Adapter, buildAdapted, layoutOf, toReference } from "../../src/adapters/index.ts";
import type { Backbone } from "../../src/backbones/index.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { arcface, cosface } from "../../src/training/losses/losses.ts";
import {
  adaptedReference,
  oracleNets,
  type ReferenceCase,
  referenceCase,
  referenceCases,
  relativeError,
} from "../support/reference.ts";

const margins = { cosface: 0.4, arcface: 0.5 } as const;

interface Outputs {
  readonly embedding: Float32Array;
  readonly activations: ReadonlyMap<string, Float32Array>;
  readonly losses: Readonly<Record<keyof typeof margins, Float32Array>>;
  readonly thetaGradients: Readonly<Record<keyof typeof margins, Float32Array | undefined>>;
  readonly headGradients: Readonly<Record<keyof typeof margins, Float32Array>>;
}

/** Runs forward and backward of both losses in eval mode. */
async function run(reference: ReferenceCase, backbone: Backbone, adapter: Adapter): Promise<Outputs> {
  const batch = reference.labels.length;
  const classes = reference.io("head").length / 512;
  const trains = adapter.theta.length > 0;
  const build = buildAdapted(backbone, adapter.config, {
    theta: trains ? "input" : adapter.theta,
    alpha: reference.alpha === undefined ? 1 : "input",
    batch,
  });
  const { builder: b, embedding } = build;
  const o = ops(b);
  const centres = b.input("centres", { dtype: "float32", shape: [classes, 512] });
  const onehot = b.input("onehot", { dtype: "float32", shape: [batch, classes] });
  const parts = { embedding, centres, onehot, scale: 64, floor: 0 };
  const losses = {
    cosface: cosface(o, { ...parts, margin: margins.cosface }),
    arcface: arcface(o, { ...parts, margin: margins.arcface, gradient: "straight-through" }),
  };
  const modules = reference.names.filter((name) => name.startsWith("act.")).map((name) => name.slice(4));
  // Behind an adapted layer its batch normalisation comes first, and then the adapter: the layer
  // itself is the frozen one.
  const adapted = new Set(adapter.config.sites);
  const named = modules.filter((module) => !adapted.has(module) && backbone.graph.types.has(`${module}_out`));
  const watched = named.map((module) => `${module}_out`);
  const wrt = trains ? ["theta", "centres"] : ["centres"];
  const tensor = (data: Float32Array, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data });
  const marks = new Float32Array(batch * classes);
  reference.labels.forEach((label, image) => {
    marks[image * classes + label] = 1;
  });
  const feeds = {
    [build.input]: reference.images,
    centres: tensor(reference.io("head"), classes, 512),
    onehot: tensor(marks, batch, classes),
    ...(trains && { theta: tensor(adapter.theta, adapter.theta.length) }),
    ...(reference.alpha && { alpha: tensor(reference.alpha, batch) }),
  };
  const results = await Promise.all(
    (["cosface", "arcface"] as const).map(async (loss, index) => {
      const outputs = index === 0 ? [embedding, ...watched] : [];
      const names = wrt.map((name) => `grad_${name}`);
      const { value, fixed } = losses[loss];
      const graph = differentiate(b.build([value, ...outputs]), { loss: value, fixed, wrt, names, outputs });
      const session = await openSession(graph, { threads: 1 });
      const values = await session.run(feeds);
      await session.close();
      return values;
    }),
  );
  const [first, second] = results as [Record<string, Tensor>, Record<string, Tensor>];
  const gradients = (name: string) => ({ cosface: floatsOf(first, name), arcface: floatsOf(second, name) });
  return {
    embedding: floatsOf(first, embedding),
    activations: new Map(named.map((module) => [module, floatsOf(first, `${module}_out`)])),
    losses: { cosface: floatsOf(first, losses.cosface.value), arcface: floatsOf(second, losses.arcface.value) },
    thetaGradients: trains ? gradients("grad_theta") : { cosface: undefined, arcface: undefined },
    headGradients: gradients("grad_centres"),
  };
}

/** A gradient of theta cut into the tensors of the released code, by their names. */
function referenceGradients(backbone: Backbone, adapter: Adapter, gradient: Float32Array): Map<string, Float32Array> {
  return new Map([...toReference(backbone, { ...adapter, theta: gradient })].map(([name, { data }]) => [name, data]));
}

describe.skipIf(!oracleNets.exists)("the released code's networks in eval mode (needs PETALFACE_SHARED)", () => {
  it.each(referenceCases)("$name: activations, embedding, losses, gradients", async ({ name, gradients }) => {
    const reference = await referenceCase(name);
    const { network, backbone, adapter } = adaptedReference(reference);
    const frozen = [...network.tensors].filter(([tensor]) => !tensor.includes(".running_"));
    expect(frozen.reduce((sum, [, shape]) => sum + sizeOf(shape), adapter.theta.length)).toBe(
      reference.config.parameters_total,
    );
    expect(layoutOf(backbone, adapter.config).length).toBe(reference.config.parameters_trainable_backbone);
    const outputs = await run(reference, backbone, adapter);

    for (const [module, values] of outputs.activations) {
      const expected = reference.io(`act.${module}`);
      expect(relativeError(values.subarray(0, expected.length), expected), module).toBeLessThan(1e-4);
    }
    expect(relativeError(outputs.embedding, reference.io("embedding_eval"))).toBeLessThan(1e-4);
    for (const loss of ["cosface", "arcface"] as const) {
      const expected = itemAt(reference.io(`loss.${loss}.eval`), 0);
      expect(Math.abs(itemAt(outputs.losses[loss], 0) - expected), loss).toBeLessThan(1e-3);
      expect(relativeError(outputs.headGradients[loss], reference.io(`grad.${loss}.eval.head`)), loss).toBeLessThan(
        1e-3,
      );
      const theta = outputs.thetaGradients[loss];
      if (theta === undefined) continue;
      const own = referenceGradients(backbone, adapter, theta);
      const known = reference.names.filter((key) => key.startsWith(`grad.${loss}.eval.`) && !key.endsWith(".head"));
      expect(known.map((key) => key.slice(`grad.${loss}.eval.`.length)).sort()).toEqual([...own.keys()].sort());
      for (const [tensor, values] of own)
        expect(relativeError(values, reference.io(`grad.${loss}.eval.${tensor}`)), `${loss} ${tensor}`).toBeLessThan(
          gradients,
        );
    }
  });
});
