import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { describe, expect, it, test } from "vitest";
import {
  type Checkpoint,
  type CheckpointTensor,
  mapNames,
  openCheckpoint,
  readTensor,
  requireComplete,
  writeFloat32,
} from "../../src/checkpoints/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { readSafetensors, toFloat32 } from "../../src/tensors/index.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

interface Expected {
  readonly load: string;
  readonly tensors?: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly sum: number;
    readonly first4: readonly number[];
  }[];
  readonly [key: string]: unknown;
}

const place = shared("oracle", "formats", "checkpoints");
const named = (checkpoint: Checkpoint): Map<string, CheckpointTensor> =>
  new Map(
    checkpoint.groups.flatMap(({ path, tensors }) =>
      [...tensors.values()].map((tensor) => [path === "" ? tensor.name : `${path}/${tensor.name}`, tensor] as const),
    ),
  );
const near = (value: number, expected: number): boolean =>
  Math.abs(value - expected) <= 1e-7 * Math.max(1, Math.abs(expected));

describe.skipIf(!place.exists)("the oracle's checkpoints (needs PETALFACE_SHARED)", () => {
  const { files } = JSON.parse(
    place.exists ? readFileSync(join(place.path, "expected.json"), "utf8") : '{"files":{}}',
  ) as {
    readonly files: Readonly<Record<string, Expected>>;
  };
  const all = Object.entries(files);
  const open = (name: string) => openCheckpoint(join(place.path, name));

  test.each(all.filter(([, { tensors }]) => tensors !== undefined))("%s is read", async (name, { tensors = [] }) => {
    const checkpoint = await open(name);
    const found = named(checkpoint);
    expect([...found.keys()]).toEqual(tensors.map((tensor) => tensor.name));
    for (const { name: key, dtype, shape, sum, first4 } of tensors) {
      const tensor = found.get(key) as CheckpointTensor;
      expect({ key, dtype: tensor.dtype, shape: tensor.shape }).toEqual({ key, dtype, shape });
      const data = await readTensor(checkpoint, tensor);
      let total = 0;
      for (const value of data) total += value;
      // float32 keeps 24 bits of a float64 or int64.
      expect(near(total, sum), `${key}: ${total} and ${sum}`).toBe(true);
      for (const [at, value] of first4.entries()) expect(near(itemAt(data, at), value), `${key}[${at}]`).toBe(true);
    }
  });

  test.each(all.filter(([, { load }]) => load.startsWith("refuse")))("%s is refused", async (name) => {
    const error = await open(name).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PetalfaceError);
    expect((error as Error).message).not.toContain("\n");
    expect(existsSync("pwned")).toBe(false);
  });

  test("every file is in one of the lists", () => {
    const rest = all.filter(([, { load, tensors }]) => tensors === undefined && !load.startsWith("refuse"));
    expect(rest.map(([name]) => name)).toEqual(["non_finite.pt"]);
  });

  it("says what a training checkpoint holds besides", async () => {
    const { metadata } = await open("full_checkpoint.pt");
    const { epoch, global_step, param_groups, lr_scheduler } = files["full_checkpoint.pt"];
    const plain = JSON.parse(JSON.stringify(metadata)) as Record<string, Record<string, unknown>>;
    expect(plain).toMatchObject({ epoch, global_step, state_optimizer: { param_groups } });
    expect(plain.state_lr_scheduler).toMatchObject(lr_scheduler as Record<string, unknown>);
  });

  const folder = temporaryFolder();
  it("names what is not finite, and writes nothing", async () => {
    const checkpoint = await open("non_finite.pt");
    const out = join(folder, "non-finite.safetensors");
    const tensors = named(checkpoint);
    await expect(writeFloat32(out, checkpoint, tensors)).rejects.toThrow(
      /2 tensors .*"blocks\.0\.mlp\.fc2\.bias", "norm\.weight"|2 tensors .*"norm\.weight", "blocks\.0\.mlp\.fc2\.bias"/,
    );
    expect(existsSync(out)).toBe(false);
    const { nonFinite } = await writeFloat32(out, checkpoint, tensors, { nonFinite: "keep" });
    expect(new Set(nonFinite)).toEqual(new Set(Object.keys(files["non_finite.pt"]?.non_finite as object)));
  });

  it("lists what does not fit a network", async () => {
    const model = new Map([...named(await open("standard.pt"))].map(([name, { shape }]) => [name, shape]));
    const wrong = await open("wrong_shapes.pt");
    const map = mapNames(wrong, model);
    const { missing, unexpected, shape_mismatch } = files["wrong_shapes.pt"];
    expect(map.missing).toEqual(missing);
    expect(map.unexpected).toEqual(unexpected);
    expect(map.wrongShapes.map(({ name }) => name)).toEqual(shape_mismatch);
    expect(() => requireComplete(map, wrong, "vit")).toThrow(/1 tensors are missing: blocks\.1\.mlp\.fc1\.bias/);

    for (const name of ["module_prefix.pt", "full_checkpoint.pt", "cuda_location_legacy.pt", "deflated.pt"]) {
      const good = await open(name);
      const fitting = mapNames(good, model);
      requireComplete(fitting, good, "vit");
      expect(fitting.tensors.size).toBe(model.size);
      expect(fitting.prefix).toBe(name === "module_prefix.pt" ? "module." : "");
      expect(fitting.group).toBe(name === "full_checkpoint.pt" ? "state_dict_backbone" : "");
    }
  });

  test.each(["swin_iqa", "swin", "vit_iqa", "vit"])(
    "%s: PyTorch's file and safetensors hold the same",
    async (name) => {
      const checkpoint = await openCheckpoint(shared("oracle", "nets", name, "model.pt").path);
      const out = join(folder, `${name}.safetensors`);
      await writeFloat32(out, checkpoint, named(checkpoint));
      const [converted, expected] = [
        await readSafetensors(out),
        await readSafetensors(shared("oracle", "nets", name, "model.safetensors").path),
      ];
      expect([...converted.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
      for (const [key, tensor] of expected.tensors) {
        expect(converted.tensors.get(key)?.shape).toEqual(tensor.shape);
        expect(converted.tensors.get(key)?.data).toEqual(toFloat32(tensor));
      }
    },
  );
});

describe.skipIf(!shared("weights").exists)("published checkpoints (needs PETALFACE_SHARED)", () => {
  test.each([
    ["CNNIQA-LIVE.pth", 8],
    ["mobilefacenet.pt", 307],
  ] as const)("%s", async (name, count) => {
    const checkpoint = await openCheckpoint(shared("weights", name).path);
    expect(named(checkpoint).size).toBe(count);
    for (const tensor of named(checkpoint).values())
      expect((await readTensor(checkpoint, tensor)).every(Number.isFinite), tensor.name).toBe(true);
  });
});
