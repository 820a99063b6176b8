import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readModel } from "onnx-grad";
import { beforeAll, describe, expect, it, test } from "vitest";
import { moduleNames } from "../../src/adapters/formats/module-names.ts";
import {
  type Adapter,
  findSites,
  initialTheta,
  layoutOf,
  saveAdapter,
  savePeft,
  selectSites,
} from "../../src/adapters/index.ts";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-peft-");
let backbone: Backbone;
let adapter: Adapter;
const tiny = (): string => join(folder, "tiny.onnx");

beforeAll(async () => {
  await writeTinyBackbone(tiny());
  backbone = await openBackbone(tiny());
  const config = {
    ...({ method: "lora", gate: "low", rank: 2, scale: 1 } as const),
    sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 5, high: 9 },
  };
  adapter = { config, theta: await initialTheta(backbone, layoutOf(backbone, config), 1) };
});

/** The sites of the tiny network as an exporter would name them. */
function named(names: readonly { readonly name?: string; readonly weight?: string }[]) {
  const { sites } = findSites(backbone.graph);
  return names.map((each, at) => ({ ...sites[at], ...each }));
}

describe("an adapter handed to PEFT", () => {
  it("is refused where the model does not say its modules' names, and nothing is written", async () => {
    const out = join(folder, "out");
    await expect(savePeft(out, backbone, adapter)).rejects.toThrow(
      /tiny\.onnx does not say the PyTorch names .* PEFT cannot/,
    );
    expect(existsSync(out)).toBe(false);
    await saveAdapter(join(folder, "adapter"), backbone, adapter);
    const args = ["export", "--model", tiny(), "--adapter", join(folder, "adapter"), "--as", "peft", "--out", out];
    const { code, stdout, stderr } = await petalface(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trim().split("\n").at(-1)).toMatch(
      /^petalface: .*tiny\.onnx does not say the PyTorch names .*export the model from PyTorch with names kept/,
    );
    expect(existsSync(out)).toBe(false);
  });

  it("has the names that the weights have", async () => {
    const graph = backbone.graph;
    const { sites } = findSites(graph);
    const renamed = new Map(sites.map(({ weight }, at) => [weight, `body.${at}.conv.weight`]));
    const constants = new Map([...graph.constants].map(([name, value]) => [renamed.get(name) ?? name, value]));
    const types = new Map([...graph.types].map(([name, value]) => [renamed.get(name) ?? name, value]));
    const nodes = graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((name) => renamed.get(name) ?? name),
    }));
    const out = join(folder, "kept");
    await savePeft(out, { ...backbone, graph: { ...graph, constants, types, nodes } }, adapter);
    expect(await readdir(out)).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    const { target_modules: modules } = JSON.parse(await readFile(join(out, "adapter_config.json"), "utf8"));
    const all = sites.map(({ name }, at) => [name, `body.${at}.conv`] as const);
    expect(modules).toEqual(all.filter(([name]) => adapter.config.sites.includes(name)).map(([, module]) => module));
  });

  test.each([
    ["/conv1/Conv", "conv1"],
    ["/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"],
    ["/features/features.0/conv/conv.0/conv.0.0/Conv", "features.0.conv.0.0"],
    ["/encoder/layer.0/attention/self/query/MatMul_1", "encoder.layer.0.attention.self.query"],
    ["/blocks/0/mlp/Gemm", "blocks.0.mlp"],
  ])("finds modules by the path of the node: %s", (name, module) => {
    expect(moduleNames(backbone, named([{ name }])).get(name)).toBe(module);
  });

  test.each([
    ["two layers of one name", [{ weight: "a.weight" }, { weight: "a.weight" }]],
    ["a layer that is called otherwise", [{ name: "Conv_0", weight: "onnx::Conv_1" }]],
  ])("is refused with %s", (_, names) => {
    expect(() => moduleNames(backbone, named(names))).toThrow(/does not say the PyTorch names/);
  });
});

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const weights = join(shared, "weights");
describe.skipIf(!existsSync(weights))("real exports (needs PETALFACE_SHARED)", () => {
  test.each(["edgeface_xs", "edgeface_xxs", "mobilefacenet"])("%s says each module once", async (name) => {
    const path = join(weights, `${name}.onnx`);
    const graph = await readModel(path);
    const { sites } = findSites((await openBackbone(path)).graph);
    const names = moduleNames({ ...backbone, graph, path }, sites);
    expect(names.size).toBe(sites.length);
    // Where a file has both, the weight's name is the one that its node's path gives.
    for (const site of sites)
      expect(moduleNames({ ...backbone, graph, path }, [{ ...site, weight: "" }]).get(site.name)).toBe(
        names.get(site.name),
      );
    for (const module of names.values()) expect(module).not.toMatch(/(?:^|\.)([a-z]\w*)\.\1\./);
  });
});
