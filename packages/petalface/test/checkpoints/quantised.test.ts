import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { entryOf } from "onnx-grad";
import { describe, expect, it, test } from "vitest";
import { openCheckpoint, readTensor, type TensorGroup, writeFloat32 } from "../../src/checkpoints/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { bytes, dict, int, ints, text, torchZip, tuple } from "./craft.ts";

/**
 * Written by PyTorch itself (fixtures/make.py): quantised tensors, and what PyTorch says they stand
 * for.
 */
const fixture = join(import.meta.dirname, "fixtures/quantised.pt");
const folder = temporaryFolder();

async function groupsOf(path: string) {
  const checkpoint = await openCheckpoint(path);
  const group = (name: string): TensorGroup => {
    const found = checkpoint.groups.find((item) => item.path === name);
    if (found === undefined) throw new Error(`no group ${name}`);
    return found;
  };
  return { checkpoint, group };
}

describe("PyTorch's quantised tensors", () => {
  test.each([
    ["of its layers, packed or not", "state_dict", "expected", 7],
    ["with zero points, along another axis, of other types, transposed", "tensors", "values", 4],
  ])("are the numbers that PyTorch says they stand for: %s", async (_, quantised, float, count) => {
    const { checkpoint, group } = await groupsOf(fixture);
    const [found, expected] = [group(quantised), group(float)];
    expect([...found.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
    expect(found.tensors.size).toBe(count);
    expect(found.elements).toBe(expected.elements);
    for (const [name, tensor] of found.tensors) {
      const other = expected.tensors.get(name);
      if (other === undefined) throw new Error(`no ${name}`);
      expect(tensor.shape, name).toEqual(other.shape);
      expect(await readTensor(checkpoint, tensor), name).toEqual(await readTensor(checkpoint, other));
    }
  });

  it("are refused with fewer zero points than channels", async () => {
    const { checkpoint, group } = await groupsOf(fixture);
    const columns = entryOf(group("tensors").tensors, "columns");
    const { quantizer } = columns;
    if (quantizer === undefined) throw new Error("columns is not quantised");
    const fewer = readTensor(checkpoint, { ...columns, quantizer: { ...quantizer, zeroPoints: 3 } });
    await expect(fewer).rejects.toThrow(
      /columns.* of shape \[5,7\] has 7 scales and 1 zero points; expected 7 of each/,
    );
  });

  it("are written as float32", async () => {
    const { checkpoint, group } = await groupsOf(fixture);
    const out = join(folder, "float.safetensors");
    await writeFloat32(out, checkpoint, group("state_dict").tensors);
    const written = await readSafetensors(out);
    for (const [name, tensor] of group("expected").tensors)
      expect(written.tensors.get(name)?.data, name).toEqual(await readTensor(checkpoint, tensor));
  });

  const quantised = (scheme: string | Uint8Array): Buffer => {
    const id = tuple(text("storage"), "ctorch\nQInt8Storage\n", text("0"), text("cpu"), int(4));
    const numbers = [bytes(id, "Q"), int(0), ints([2, 2]), ints([2, 1])];
    return bytes("ctorch._utils\n_rebuild_qtensor\n", tuple(...numbers, scheme, "\x89", "}"), "R");
  };
  const half = bytes("G", Buffer.from([0x3f, 0xe0, 0, 0, 0, 0, 0, 0]));
  const open = (value: Uint8Array) => {
    const path = join(folder, "crafted.pt");
    writeFileSync(path, torchZip(value, { 0: Uint8Array.of(1, 2, 255, 128) }));
    return groupsOf(path);
  };

  it("lose the ranges beside them, and nothing else of one number", async () => {
    const weight = quantised(tuple("ctorch\nper_tensor_affine\n", half, int(1)));
    const one = (): Buffer => {
      const id = tuple(text("storage"), "ctorch\nCharStorage\n", text("0"), text("cpu"), int(4));
      return bytes("ctorch._utils\n_rebuild_tensor_v2\n", tuple(bytes(id, "Q"), int(0), "(t", "(t", "\x89", "}"), "R");
    };
    const packed = tuple(weight, "N");
    const entries = {
      "a.scale": one(),
      "a.zero_point": one(),
      "logit.scale": one(),
      "a._packed_params._packed_params": packed,
    };
    const { checkpoint, group } = await open(dict(entries));
    expect([...group("").tensors.keys()]).toEqual(["logit.scale", "a.weight"]);
    const found = group("").tensors.get("a.weight");
    if (found === undefined) throw new Error("missing");
    expect([...(await readTensor(checkpoint, found))]).toEqual([0, 0.5, -1, -64.5]);
  });

  test.each([
    ["another scheme", tuple("ctorch\nper_channel_symmetric\n", half, int(0))],
    ["a scale that is no number", tuple("ctorch\nper_tensor_affine\n", text("x"), int(0))],
    ["scales that are no tensor", tuple("ctorch\nper_channel_affine\n", half, int(0), int(0))],
    ["no scheme", "N"],
  ])("are refused with %s", async (_, scheme) => {
    await expect(open(dict({ w: quantised(scheme) }))).rejects.toThrow(/quantised tensor has .* scheme/);
  });
});
