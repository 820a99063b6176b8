import { describe, expect, it, test } from "vitest";
import {
  type Checkpoint,
  type CheckpointTensor,
  familiesOf,
  mapNames,
  requireComplete,
} from "../../src/checkpoints/index.ts";

const storage = { file: "f", offset: 0, length: 400, littleEndian: true };
function tensorOf(name: string, shape: readonly number[]): CheckpointTensor {
  const elements = shape.reduce((product, side) => product * side, 1);
  return { name, dtype: "float32", shape, strides: shape.map(() => 1), offset: 0, elements, storage };
}

function checkpointOf(groups: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>): Checkpoint {
  return {
    path: "c.pt",
    format: "torch-zip",
    metadata: {},
    files: new Map(),
    groups: Object.entries(groups).map(([path, entries]) => ({
      path,
      elements: 0,
      tensors: new Map(Object.entries(entries).map(([name, shape]) => [name, tensorOf(name, shape)])),
    })),
  };
}

const expected = new Map([
  ["conv.weight", [4, 3]],
  ["conv.bias", [4]],
]);
const fitting = { "conv.weight": [4, 3], "conv.bias": [4] };
const prefixed = (prefix: string) =>
  Object.fromEntries(Object.entries(fitting).map(([name, shape]) => [prefix + name, shape]));

describe("names of a checkpoint become names of a network", () => {
  test.each(["", "module.", "_orig_mod.", "module._orig_mod.", "backbone.", "model.net.", "module.model.backbone."])(
    "the prefix %j is left out",
    (prefix) => {
      const map = mapNames(checkpointOf({ "": prefixed(prefix) }), expected);
      expect([...map.tensors.keys()]).toEqual([...expected.keys()]);
      expect(map).toMatchObject({ prefix, group: "", missing: [], unexpected: [], wrongShapes: [] });
      expect(map.notes.length).toBe(prefix === "" ? 0 : 1);
    },
  );

  test.each(["features.module.", "module.features.", "student.embedder."])(
    "any prefix %j of the whole network is left out, and so is a head beside it",
    (prefix) => {
      const head = { "fc.weight": [10, 4], "module.head.weight": [4, 10] };
      const map = mapNames(checkpointOf({ state_dict: { ...prefixed(prefix), ...head } }), expected);
      expect([...map.tensors.keys()]).toEqual([...expected.keys()]);
      expect(map).toMatchObject({ prefix, missing: [], unexpected: [], wrongShapes: [] });
      expect(map.notes).toContain("the head that it was trained with is left out: fc.weight, module.head.weight");
      // Without a prefix it may be a layer of another network.
      expect(mapNames(checkpointOf({ "": { ...fitting, ...head } }), expected).unexpected).toHaveLength(2);
    },
  );

  it("takes the dictionary that fits best, the usual one among equals, and says which others fit", () => {
    const checkpoint = checkpointOf({
      ema: fitting,
      "optimizer/state/0": { exp_avg: [4, 3] },
      state_dict: fitting,
      half: { "conv.bias": [4] },
    });
    const map = mapNames(checkpoint, expected);
    expect(map.group).toBe("state_dict");
    expect(map.notes).toEqual(['tensors are taken from "state_dict"; "ema", "half" would fit too']);
    expect(mapNames(checkpoint, expected, { take: "ema" }).group).toBe("ema");
    expect(() => mapNames(checkpoint, expected, { take: "teacher" })).toThrow(
      /no dictionary "teacher".*"ema", .*"state_dict"/,
    );
    expect(() => mapNames(checkpointOf({}), expected)).toThrow(/holds no tensors/);
  });

  it("lists what is missing, unexpected, of another shape and ignored, and guesses nothing", () => {
    const map = mapNames(
      checkpointOf({
        "": {
          "conv.weight": [3, 4],
          "conv.bais": [4],
          "bn.num_batches_tracked": [],
          "a.attn_mask": [1],
          "x.relative_position_index": [1],
          num_batches_tracked_too: [],
        },
      }),
      expected,
    );
    expect(map.tensors.size).toBe(0);
    expect(map.missing).toEqual(["conv.bias"]);
    expect(map.unexpected).toEqual(["conv.bais", "num_batches_tracked_too"]);
    expect(map.wrongShapes).toEqual([{ name: "conv.weight", expected: [4, 3], found: [3, 4] }]);
    expect(map.ignored).toEqual(["bn.num_batches_tracked", "a.attn_mask", "x.relative_position_index"]);
    expect(() => requireComplete(map, checkpointOf({}), "tiny")).toThrow(
      /c\.pt does not fit tiny: 1 tensors are missing: conv\.bias; 1 have another shape: conv\.weight is \[3,4\] and not \[4,3\]; 2 are unexpected/,
    );
  });

  it("says what lies outside of the prefix", () => {
    const map = mapNames(checkpointOf({ "": { ...prefixed("backbone."), "neck.weight": [9, 9] } }), expected);
    expect(map).toMatchObject({ prefix: "backbone.", unexpected: ["neck.weight"] });
  });

  it("renames by rule; a second tensor of the same name is unexpected", () => {
    const rename = (name: string) => name.replace(/^(?:first|second)\./, "conv.");
    const checkpoint = checkpointOf({ "": { "first.weight": [4, 3], "first.bias": [4], "second.bias": [4] } });
    const map = mapNames(checkpoint, expected, { rename });
    expect(map.tensors.get("conv.bias")?.name).toBe("first.bias");
    expect(map.unexpected).toEqual(["second.bias"]);
    requireComplete(mapNames(checkpoint, expected, { rename, ignore: [/./] }), checkpoint, "tiny");
  });

  it("lets optional names be missing", () => {
    const map = mapNames(checkpointOf({ "": { "conv.weight": [4, 3] } }), expected, { optional: [/bias$/] });
    expect(map.missing).toEqual([]);
  });
});

test.each<[string, readonly string[]]>([
  ["swin", ["layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.proj.weight"]],
  ["iresnet (arcface_torch)", ["module.layer1.0.bn1.weight", "module.layer1.0.prelu.weight", "module.fc.weight"]],
  ["mobilefacenet (foamliu)", ["gdconv.depthwise.weight", "dw_conv.depthwise.weight"]],
  ["twin low-rank adapters (trainable_lora_*2)", ["a.trainable_lora_down2.weight", "a.trainable_lora_up2.weight"]],
])("names like those of %s", (family, names) => {
  const [group] = checkpointOf({ "": Object.fromEntries(names.map((name) => [name, [1]])) }).groups;
  expect(group === undefined ? [] : familiesOf(group).map((hint) => hint.family)).toEqual([family]);
});
