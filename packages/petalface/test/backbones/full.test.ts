import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { itemAt, sizeOf } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { type Adapter, buildAdapted, foundAdapter, isReferenceLowRank } from "../../src/adapters/index.ts";
import {
  type Backbone,
  detectArchitecture,
  type MatchedNetwork,
  matchNetwork,
  openBackbone,
  parseArchitecture,
  preprocessingOf,
  printArchitecture,
  writeNetwork,
} from "../../src/backbones/index.ts";
import { type CheckpointTensor, openCheckpoint } from "../../src/checkpoints/index.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type FormulaTensor, formulaInput, formulaTensor, writeFormula } from "../support/formula.ts";
import { referenceBackbone, relativeError } from "../support/reference.ts";

const place = shared("oracle", "full");

interface Sample {
  /** Position in the state dict. */
  readonly number: number;
  readonly first4: readonly number[];
  readonly sum_float64: number;
}

interface Full {
  readonly image_size: number;
  readonly alpha: readonly number[] | null;
  readonly embedding_eval: readonly (readonly number[])[];
  readonly parameters_total: number;
  readonly parameters_lora: number;
  readonly state_dict: readonly FormulaTensor[];
  readonly sample_tensors: Readonly<Record<string, Sample>>;
  readonly input_first4: readonly number[];
}

const read = (name: string): Full => JSON.parse(readFileSync(join(place.path, `${name}.json`), "utf8")) as Full;

/** Two embeddings of the formula's images. */
async function embed(backbone: Backbone, adapter: Adapter | undefined, full: Full): Promise<Float32Array> {
  const size = full.image_size;
  const images = { dtype: "float32", dims: [2, 3, size, size], data: formulaInput(2 * 3 * size * size) } as const;
  const build =
    adapter === undefined
      ? undefined
      : buildAdapted(backbone, adapter.config, { theta: adapter.theta, alpha: full.alpha === null ? 1 : "input" });
  const graph = build?.builder.build([build.embedding]) ?? backbone.graph;
  const session = await openSession(graph, { prepack: false });
  const alpha = full.alpha === null ? undefined : Float32Array.from(full.alpha);
  const results = await session.run({
    [backbone.input]: images,
    ...(alpha && { alpha: { dtype: "float32", dims: [2], data: alpha } }),
  });
  await session.close();
  return floatsOf(results, build?.embedding ?? backbone.output);
}

/** A backbone whose weights are the checkpoint's own bytes. */
const inPlace = ({ network, tensors }: MatchedNetwork): Backbone =>
  referenceBackbone(network, (name) => {
    const { shape, elements, storage } = tensors.get(name) as CheckpointTensor;
    return { dtype: "float32", dims: shape, file: storage.file, offset: storage.offset, length: 4 * elements };
  });

describe.skipIf(!place.exists)("the released code's full-size networks (needs PETALFACE_SHARED)", () => {
  const folder = temporaryFolder();

  // Imported ones are written to disk a second time, synced; the others take their weights from the
  // checkpoint's place.
  it.each([
    ["mbf", "imported"],
    ["r18", "imported"],
    ["r50", "in place"],
    ["r100", "in place"],
    ["vit_b_iqa", "in place"],
    ["swin_256new", "in place"],
    ["swin_256new_iqa", "imported"],
  ] as const)("%s, %s: embedding, names and numbers of weights are the released code's", async (name, how) => {
    const full = read(name);
    expect([...formulaInput(4)].map((value, at) => Math.abs(value - itemAt(full.input_first4, at)) < 1e-8)).toEqual(
      Array(4).fill(true),
    );
    for (const { number, first4, sum_float64: sum } of Object.values(full.sample_tensors)) {
      const tensor = full.state_dict[number];
      if (tensor.kind === "as_built") continue;
      const values = formulaTensor(tensor, number);
      expect(relativeError(values.subarray(0, 4), first4), tensor.name).toBeLessThan(1e-7);
      const total = values.reduce((all, value) => all + value, 0);
      expect(Math.abs(total - sum), tensor.name).toBeLessThan(1e-6);
    }
    const [file, model] = [join(folder, `${name}.safetensors`), join(folder, `${name}.onnx`)];
    await writeFormula(file, full.state_dict);
    const checkpoint = await openCheckpoint(file);
    const spec = parseArchitecture(name);
    expect(detectArchitecture(checkpoint)).toBe(printArchitecture(spec.architecture));
    const matched = matchNetwork(checkpoint, spec.architecture, isReferenceLowRank);
    const adapter = await foundAdapter(matched, { scale: 1, calibration: { kind: "given", measure: "given" } });
    const weights = [...matched.network.tensors].filter(([tensor]) => !tensor.includes(".running_"));
    expect(weights.reduce((sum, [, shape]) => sum + sizeOf(shape), 0)).toBe(
      full.parameters_total - full.parameters_lora,
    );
    expect(adapter?.theta.length ?? 0).toBe(full.parameters_lora);
    if (how === "imported") {
      await writeNetwork(matched, model, { preprocessing: preprocessingOf(spec) });
      await rm(file);
    }
    const backbone = how === "imported" ? await openBackbone(model) : inPlace(matched);
    const embeddings = await embed(backbone, adapter, full);
    await rm(how === "imported" ? model : file);
    expect(relativeError(embeddings, full.embedding_eval.flat())).toBeLessThan(1e-4);
  });
});
