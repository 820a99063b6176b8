import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt, tupleOf } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { isRecord } from "../json.ts";
import type { ModelChoices, Preprocessing } from "../models/index.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { parseCalibration, type QualityWeights, qualityWeights } from "../quality/index.ts";
import { encodeSafetensors, readSafetensors, toFloat32 } from "../tensors/index.ts";
import { isVariance, statisticsParts, type VectorPart } from "./batch-norm.ts";
import { choicesOfRecord, refuseOther } from "./belongs.ts";
import { centreTensor, requireGateToCentre } from "./centre.ts";
import { type Adapter, type AdapterConfig, adaptsSites, methodNames, rankAt } from "./config.ts";
import { gateNames, gateParts } from "./gate.ts";
import { layoutOf } from "./layout.ts";

/** File names, those of Hugging Face PEFT. */
const configFile = "adapter_config.json";
const weightsFile = "adapter_model.safetensors";
/** Weights of the quality measure. */
const qualityFile = "quality_model.safetensors";

/** Version of `adapter_config.json`; a newer one is refused. */
const formatVersion = 1;

/** Paths of everything that {@link saveAdapter} may write. */
export const adapterFiles = (folder: string): string[] =>
  [configFile, weightsFile, qualityFile].map((name) => join(folder, name));

const centrePart = ({ width }: Backbone): VectorPart => ({
  name: centreTensor,
  dims: [width],
  offset: 0,
  length: width,
});

/**
 * Writes `adapter_model.safetensors`, then `adapter_config.json`, into a folder, each atomically.
 */
export async function saveAdapter(folder: string, backbone: Backbone, adapter: Adapter): Promise<void> {
  const { config, theta, statistics = new Float32Array(0) } = adapter;
  const layout = layoutOf(backbone, config);
  const tensor = (vector: Float32Array, { name, dims, offset, length }: VectorPart) =>
    [name, { dtype: "F32", shape: dims, data: vector.slice(offset, offset + length) }] as const;
  const tensors = [
    ...layout.slots.map((slot) => tensor(theta, slot)),
    ...statisticsParts(layout.norms).map((part) => tensor(statistics, part)),
    ...(config.centre ? [tensor(config.centre, centrePart(backbone))] : []),
  ];
  await writeFileSafely(join(folder, weightsFile), encodeSafetensors(tensors, { format: "petalface" }));
  if (config.weights !== undefined)
    await writeFileSafely(
      join(folder, qualityFile),
      encodeSafetensors(storedTensors(config.weights), { format: "petalface" }),
    );
  const document = {
    format: formatVersion,
    peft_type: adaptsSites(config.method) ? "LORA" : config.method.toUpperCase(),
    r: config.rank,
    lora_alpha: config.rank * config.scale,
    target_modules: config.sites,
    ...ungatedFields(config),
    ...(config.batchNorm && { batch_norm: config.batchNorm }),
    ...(config.method === "dora" && { use_dora: true }),
    method: config.method,
    gate: config.gate,
    calibration: config.calibration,
    backbone: config.backbone,
  };
  await writeFileSafely(join(folder, configFile), `${JSON.stringify(document, null, 2)}\n`);
}

const storedTensors = ({ tensors }: QualityWeights) =>
  [...tensors].map(([name, { dims, data }]) => [name, { dtype: "F32", shape: dims, data }] as const);

/**
 * The weights of the quality measure that a calibration was made with. Throws PetalfaceError if
 * they are missing or others.
 */
async function loadQualityWeights(folder: string, sha256: string): Promise<QualityWeights> {
  const path = join(folder, qualityFile);
  const { tensors } = await readSafetensors(path);
  const weights = qualityWeights(
    new Map([...tensors].map(([name, tensor]) => [name, { dims: tensor.shape, data: toFloat32(tensor) }])),
  );
  if (weights.sha256 !== sha256)
    throw new PetalfaceError(
      "PETAL_ADAPTER_DAMAGED",
      `${path}: not the weights that the adapter was calibrated with; copy its folder again`,
    );
  return weights;
}

/**
 * PEFT's words for layers of another rank and the same scale, and ours for those that have no gate.
 */
function ungatedFields(config: AdapterConfig): object {
  const { ungated = [] } = config;
  if (ungated.length === 0) return {};
  const each = (value: number) => Object.fromEntries(ungated.map((site) => [site, value]));
  const rank = rankAt(config, itemAt(ungated, 0));
  return { rank_pattern: each(rank), alpha_pattern: each(rank * config.scale), ungated };
}

/**
 * Reads an adapter for a backbone. `folder` holds the two files, or is a run whose `adapter/` does.
 * Throws PetalfaceError if it belongs to another backbone, or if a tensor is missing, unexpected or
 * of another shape.
 */
export async function loadAdapter(folder: string, backbone: Backbone): Promise<Adapter> {
  const place = await adapterFolder(folder);
  const written = parseConfig(await readJson(join(place, configFile)), join(place, configFile));
  const { weights: sha256 } = written.calibration;
  const config = sha256 === undefined ? written : { ...written, weights: await loadQualityWeights(place, sha256) };
  refuseOldIdentity(join(place, configFile), "backbone.sha256", config.backbone.sha256, backbone);
  refuseOther(place, config.backbone, backbone);
  const layout = layoutOf(backbone, config);
  const path = join(place, weightsFile);
  const { tensors } = await readSafetensors(path);
  const read = (into: Float32Array, { name, dims, offset }: VectorPart): void => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${path}: tensor "${name}" is missing`);
    if (tensor.shape.join() !== dims.join())
      throw new PetalfaceError(
        "PETAL_ADAPTER_DAMAGED",
        `${path}: tensor "${name}" is [${tensor.shape}], its layer needs [${dims}]`,
      );
    const data = toFloat32(tensor);
    if (!data.every(Number.isFinite))
      throw new PetalfaceError("PETAL_NOT_FINITE", `${path}: tensor "${name}" holds numbers that are not finite`);
    if (isVariance(name) && !data.every((value) => value >= 0))
      throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${path}: tensor "${name}" holds variances below 0`);
    into.set(data, offset);
  };
  const theta = new Float32Array(layout.length);
  for (const slot of layout.slots) read(theta, slot);
  const statistics = new Float32Array(layout.norms.length);
  for (const part of statisticsParts(layout.norms)) read(statistics, part);
  const isCentred = tensors.has(centreTensor);
  const centre = new Float32Array(isCentred ? backbone.width : 0);
  if (isCentred) {
    requireGateToCentre(config);
    read(centre, centrePart(backbone));
  }
  const parts = [...layout.slots, ...statisticsParts(layout.norms), ...(isCentred ? [centrePart(backbone)] : [])];
  const known = new Set(parts.map(({ name }) => name));
  for (const name of tensors.keys())
    if (!known.has(name)) throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${path}: unexpected tensor "${name}"`);
  return {
    config: isCentred ? { ...config, centre } : config,
    theta,
    ...(statistics.length > 0 && { statistics }),
  };
}

/**
 * Throws PetalfaceError where something was made when models were known by their `.onnx` file
 * alone, on a model whose weights lie in another file: it is then unknown whether it was made on
 * these weights.
 *
 * @param file that holds the hash, and `field` its place there
 */
export function refuseOldIdentity(file: string, field: string, sha256: string, { path, spec }: Backbone): void {
  if (spec.fileSha256 === undefined || sha256 !== spec.fileSha256) return;
  throw new PetalfaceError(
    "PETAL_ADAPTER_MISMATCH",
    `${file} names ${path} by its .onnx file alone, as petalface did before it also hashed weights in other files; if these are the weights it was trained on, set ${field} to ${spec.sha256}`,
  );
}

/**
 * How to open the backbone of a saved adapter as it was opened in training, as far as the adapter
 * says it. Throws PetalfaceError if it is none.
 */
export async function adapterChoices(folder: string): Promise<ModelChoices> {
  const file = join(await adapterFolder(folder), configFile);
  return choicesOfRecord(parseConfig(await readJson(file), file).backbone);
}

/**
 * The folder that holds the adapter's two files: the one given, or its `adapter/` where that is a
 * run.
 */
async function adapterFolder(folder: string): Promise<string> {
  for (const place of [folder, join(folder, "adapter")])
    try {
      await readFile(join(place, configFile));
      return place;
    } catch {}
  throw new PetalfaceError(
    "PETAL_ADAPTER_MISSING",
    `${folder}: no ${configFile} here or in its adapter folder; give a run or an adapter folder`,
  );
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8");
  refusePlaceholder(text, path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${path}: not valid JSON`, { cause: error });
  }
}

function parseConfig(document: unknown, path: string): AdapterConfig {
  const fail = (what: string): never => {
    throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `${path}: ${what}`);
  };
  const record = (value: unknown, name: string): Readonly<Record<string, unknown>> =>
    isRecord(value) ? value : fail(`"${name}" is not an object`);
  const text = (value: unknown, name: string): string =>
    typeof value === "string" ? value : fail(`"${name}" is not a text`);
  const number = (value: unknown, name: string): number =>
    typeof value === "number" && Number.isFinite(value) ? value : fail(`"${name}" is not a number`);
  const oneOf = <T extends string>(value: unknown, names: readonly T[], name: string): T =>
    names.find((candidate) => candidate === value) ??
    fail(`"${name}" is ${JSON.stringify(value)}; known: ${names.join(", ")}`);

  const three = (value: unknown, name: string): readonly [number, number, number] => {
    if (!Array.isArray(value) || value.length !== 3) return fail(`"${name}" is not a list of three numbers`);
    return tupleOf(
      value.map((one) => number(one, name)),
      3,
    );
  };
  const preprocessingOf = (value: unknown): Preprocessing => {
    const { mean, scale, channels } = record(value, "backbone.preprocessing");
    return {
      mean: three(mean, "backbone.preprocessing.mean"),
      scale: three(scale, "backbone.preprocessing.scale"),
      channels: oneOf(channels, ["rgb", "bgr"] as const, "backbone.preprocessing.channels"),
    };
  };

  const root = record(document, "the file");
  if (root.format !== formatVersion)
    fail(`format ${JSON.stringify(root.format)} is not ${formatVersion}; it needs another petalface`);
  const backbone = record(root.backbone, "backbone");
  const sites = root.target_modules;
  if (!Array.isArray(sites)) return fail('"target_modules" is not a list');
  const rank = number(root.r, "r");
  const gate = oneOf(root.gate, gateNames, "gate");
  if (!Number.isInteger(rank) || rank < 1 || rank > 4096 || rank % gateParts(gate) !== 0)
    fail(`rank ${rank} does not fit gate ${gate}`);
  const names = sites.map((site) => text(site, "target_modules"));
  const ungated = root.ungated ?? [];
  if (!Array.isArray(ungated) || !ungated.every((site) => names.includes(site)))
    return fail('"ungated" is not a list of target modules');
  const { batch_norm: batchNorm } = root;
  if (batchNorm !== undefined && batchNorm !== "train") return fail('"batch_norm" is not "train"');
  return {
    ...(batchNorm && { batchNorm }),
    method: oneOf(root.method, methodNames, "method"),
    gate,
    rank,
    scale: number(root.lora_alpha, "lora_alpha") / rank,
    sites: names,
    ...(ungated.length > 0 && { ungated: ungated as string[] }),
    backbone: {
      name: text(backbone.name, "backbone.name"),
      sha256: text(backbone.sha256, "backbone.sha256"),
      ...(backbone.preprocessing !== undefined && { preprocessing: preprocessingOf(backbone.preprocessing) }),
      ...(backbone.size !== undefined && { size: number(backbone.size, "backbone.size") }),
      ...(backbone.output !== undefined && { output: text(backbone.output, "backbone.output") }),
    },
    calibration: parseCalibration(root.calibration, path),
  };
}
