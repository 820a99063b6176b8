import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { differentiate, GraphBuilder, itemAt, ops, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { arcface, cosface } from "../../src/training/losses/losses.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const nets = resolve(shared, "oracle/nets");

describe.skipIf(!existsSync(nets))("margin losses against the released code (needs PETALFACE_SHARED)", () => {
  const cases = ["mbf", "r18", "swin", "swin_iqa", "vit"].flatMap((net) =>
    (["cosface", "arcface"] as const).map((loss) => ({ net, loss })),
  );
  it.each(cases)("$loss on $net: loss within 1e-3, gradient of the centres within 1e-3", async ({ net, loss }) => {
    const { tensors } = await readSafetensors(resolve(nets, net, "io.safetensors"));
    const floats = (name: string): Float32Array => tensors.get(name)?.data as Float32Array;
    const [faces = 0, width = 0] = tensors.get("embedding_eval")?.shape ?? [];
    const [classes = 0] = tensors.get("head")?.shape ?? [];
    const labels = Array.from(tensors.get("labels")?.data as BigInt64Array, Number);
    const b = new GraphBuilder({ name: loss, opset: 18 });
    const o = ops(b);
    const embedding = b.input("embedding", { dtype: "float32", shape: [faces, width] });
    const centres = b.input("centres", { dtype: "float32", shape: [classes, width] });
    const onehot = b.input("onehot", { dtype: "float32", shape: [faces, classes] });
    const parts = { embedding, centres, onehot, scale: 64, floor: 0 };
    const value =
      loss === "cosface"
        ? cosface(o, { ...parts, margin: 0.4 })
        : arcface(o, { ...parts, margin: 0.5, gradient: "straight-through" });
    const graph = differentiate(b.build([value.value]), {
      loss: value.value,
      fixed: value.fixed,
      wrt: ["centres"],
      names: ["grad"],
    });
    const session = await openSession(graph, { threads: 1 });
    const marks = new Float32Array(faces * classes);
    labels.forEach((label, face) => {
      marks[face * classes + label] = 1;
    });
    const tensor = (data: Float32Array, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data });
    const results = await session.run({
      embedding: tensor(floats("embedding_eval"), faces, width),
      centres: tensor(floats("head"), classes, width),
      onehot: tensor(marks, faces, classes),
    });
    await session.close();
    expect(Math.abs(itemAt(floatsOf(results, value.value), 0) - itemAt(floats(`loss.${loss}.eval`), 0))).toBeLessThan(
      1e-3,
    );
    const expected = floats(`grad.${loss}.eval.head`);
    const got = floatsOf(results, "grad");
    const norm = (of: (i: number) => number): number => Math.sqrt(expected.reduce((sum, _, i) => sum + of(i) ** 2, 0));
    const difference = norm((i) => itemAt(got, i) - itemAt(expected, i));
    expect(difference / norm((i) => itemAt(expected, i))).toBeLessThan(1e-3);
  });
});
