import { join } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import { encodeSafetensors, type StoredTensor } from "../../tensors/index.ts";
import { refuseCentre } from "../centre.ts";
import { type Adapter, gateAt, rankAt } from "../config.ts";
import { type Gate, gateParts } from "../gate.ts";
import { type Layered, layoutOf } from "../layout.ts";
import { moduleNames } from "./module-names.ts";
import { partsOf } from "./parts.ts";

/** One adapter of Hugging Face PEFT: a folder of its own. */
export interface PeftAdapter {
  /** Its folder inside the one that was asked for; empty for that one itself. */
  readonly folder: string;
  /** What it is multiplied with, as a formula of alpha. */
  readonly weight: string;
  readonly layers: number;
}

const configFile = "adapter_config.json";
const weightsFile = "adapter_model.safetensors";

/** How the parts of a gate are weighted, and what their folders are called. */
const weights: Readonly<Record<Gate, readonly (readonly [folder: string, weight: string])[]>> = {
  single: [["always", "1"]],
  low: [["low", "1 - alpha"]],
  twin: [
    ["low", "1 - alpha"],
    ["high", "alpha"],
  ],
  hat: [
    ["poor", "max(0, 1 - 2 alpha)"],
    ["middle", "max(0, 1 - |2 alpha - 1|)"],
  ],
};

/**
 * Writes an adapter as Hugging Face PEFT has them (`adapter_config.json`,
 * `adapter_model.safetensors`, names `base_model.model.MODULE.lora_A.weight`). PEFT knows no gate,
 * so each part of one becomes an adapter in a folder of its own, to be weighted as its metadata
 * says (`petalface.weight`); layers without a gate become one more. Modules have PyTorch's names
 * (see {@link moduleNames}).
 *
 * @throws PetalfaceError where the model does not say those names, trained weights are not a
 * low-rank adapter, or running statistics were trained too
 */
export async function savePeft(folder: string, backbone: Layered, adapter: Adapter): Promise<PeftAdapter[]> {
  const { config } = adapter;
  const made = peftParts(backbone, adapter);
  const written: PeftAdapter[] = [];
  for (const [name, { weight, rank, tensors, modules }] of made) {
    const own = made.size === 1 ? "" : name;
    const document = {
      peft_type: "LORA",
      task_type: null,
      base_model_name_or_path: config.backbone.name,
      inference_mode: true,
      r: rank,
      lora_alpha: rank * config.scale,
      lora_dropout: 0,
      bias: "none",
      fan_in_fan_out: false,
      init_lora_weights: true,
      target_modules: modules,
    };
    const metadata = { format: "pt", "petalface.weight": weight, "petalface.backbone": config.backbone.sha256 };
    await writeFileSafely(join(folder, own, weightsFile), encodeSafetensors(tensors, metadata));
    await writeFileSafely(join(folder, own, configFile), `${JSON.stringify(document, null, 2)}\n`);
    written.push({ folder: own, weight, layers: modules.length });
  }
  return written;
}

/** Paths of everything that {@link savePeft} writes. Throws what it throws. */
export function peftFiles(folder: string, backbone: Layered, adapter: Adapter): string[] {
  const made = peftParts(backbone, adapter);
  return [...made.keys()].flatMap((name) =>
    [weightsFile, configFile].map((file) => join(folder, made.size === 1 ? "" : name, file)),
  );
}

/** One adapter of PEFT in the making. */
interface Part {
  readonly weight: string;
  readonly rank: number;
  readonly tensors: [string, StoredTensor][];
  readonly modules: string[];
}

/** The parts of an adapter by their folder's name. */
function peftParts(backbone: Layered, adapter: Adapter): Map<string, Part> {
  const { config } = adapter;
  if (config.method !== "lora")
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `PEFT has low-rank adapters only; this one trained ${config.method}`,
    );
  if (config.batchNorm === "train")
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "PEFT has no place for running statistics, and this adapter's batch normalisations were trained; give 'as=reference', or export one ONNX file",
    );
  refuseCentre(config, "PEFT");
  const layout = layoutOf(backbone, config);
  const modules = moduleNames(backbone, layout.sites);
  const made = new Map<string, Part>();
  for (const slot of layout.slots) {
    const gate = gateAt(config, slot.of);
    const count = gateParts(gate);
    const rank = rankAt(config, slot.of) / count;
    const isConv = layout.sites.some((site) => site.name === slot.of && site.op === "Conv");
    for (const [index, { shape, data }] of partsOf(slot, adapter.theta, count, isConv).entries()) {
      const [name, weight] = itemAt(weights[gate], index);
      const part = made.get(name) ?? { weight, rank, tensors: [], modules: [] };
      made.set(name, part);
      const side = slot.role === "down" ? "lora_A" : "lora_B";
      const module = entryOf(modules, slot.of);
      if (slot.role === "down") part.modules.push(module);
      part.tensors.push([`base_model.model.${module}.${side}.weight`, { dtype: "F32", shape, data }]);
    }
  }
  return made;
}
