import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { readSafetensors } from "../../src/tensors/index.ts";
import { arcface, cosface } from "../../src/training/losses/losses.ts";
import { runMargin } from "../support/margin.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const nets = resolve(shared, "oracle/nets");

describe.skipIf(!existsSync(nets))("margin losses against the released code (needs PETALFACE_SHARED)", () => {
  const cases = ["mbf", "r18", "swin", "swin_iqa", "vit"].flatMap((net) =>
    (["cosface", "arcface"] as const).map((loss) => ({ net, loss })),
  );
  it.each(cases)("$loss on $net: loss within 1e-3, gradient of the centres within 1e-3", async ({ net, loss }) => {
    const { tensors } = await readSafetensors(resolve(nets, net, "io.safetensors"));
    const floats = (name: string): Float32Array => tensors.get(name)?.data as Float32Array;
    const [, width = 0] = tensors.get("embedding_eval")?.shape ?? [];
    const labels = Array.from(tensors.get("labels")?.data as BigInt64Array, Number);
    const { loss: found, gradient: got } = await runMargin(
      {
        embedding: floats("embedding_eval"),
        centres: floats("head"),
        labels,
        width,
        build: (o, inputs) => {
          const parts = { ...inputs, scale: 64, floor: 0 };
          return loss === "cosface"
            ? cosface(o, { ...parts, margin: 0.4 })
            : arcface(o, { ...parts, margin: 0.5, gradient: "straight-through" });
        },
      },
      "centres",
    );
    expect(Math.abs(found - itemAt(floats(`loss.${loss}.eval`), 0))).toBeLessThan(1e-3);
    const expected = floats(`grad.${loss}.eval.head`);
    const norm = (of: (i: number) => number): number => Math.sqrt(expected.reduce((sum, _, i) => sum + of(i) ** 2, 0));
    const difference = norm((i) => itemAt(got, i) - itemAt(expected, i));
    expect(difference / norm((i) => itemAt(expected, i))).toBeLessThan(1e-3);
  });
});
