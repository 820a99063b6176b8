import { itemAt } from "onnx-grad";
import { openCheckpoint, readTensor } from "../checkpoints/index.ts";
import { PetalfaceError } from "../errors.ts";
import { readBrisqueWeights } from "./brisque/opencv-yaml.ts";
import { cnniqaTensors } from "./cnniqa.ts";
import { measureOf, weightsUsage } from "./measures.ts";
import type { QualityMeasure } from "./types.ts";
import { type QualityTensor, type QualityWeights, qualityWeights } from "./weights.ts";

/**
 * Opens the quality measure that `--quality` or `--metric` names: `NAME`, `constant:SCORE`, or
 * `NAME:key=file,...` with the files of its weights (`brisque:model=FILE,range=FILE`,
 * `cnniqa:model=FILE`). Throws PetalfaceError.
 */
export async function openMeasure(spec: string): Promise<QualityMeasure> {
  const [name = "", ...rest] = spec.split(":");
  const usage = Object.hasOwn(weightsUsage, name) ? weightsUsage[name] : undefined;
  if (usage === undefined || rest.length === 0) return measureOf(spec);
  const files = parseFiles(spec, rest.join(":"), usage);
  return measureOf(
    name,
    name === "brisque"
      ? await readBrisqueWeights(files.model ?? "", files.range ?? "")
      : await readCnniqaWeights(files.model ?? ""),
  );
}

/**
 * Smallest input, in pixels a side, on which `auto` takes effective resolution. The best degraded
 * training face has 28 px of detail, and sharp faces must have clearly more
 * ({@link sharpResolution}: 31 px at this size).
 */
export const leastResolutionSize = 56;

/**
 * What `auto` means for a network: effective resolution, or sharpness where the input is too small
 * for resolution to tell faces apart. Any other spec stays as it is.
 *
 * @param size side of the network's input in pixels
 */
export const chosenMeasure = (spec: string, size: number): string =>
  spec !== "auto" ? spec : size < leastResolutionSize ? "sharpness" : "resolution";

/**
 * A spec with another path for each file of its weights; specs without files stay as they are.
 * Throws PetalfaceError.
 */
export async function mapMeasureFiles(spec: string, map: (path: string) => Promise<string>): Promise<string> {
  const [name = "", ...rest] = spec.split(":");
  const usage = Object.hasOwn(weightsUsage, name) ? weightsUsage[name] : undefined;
  if (usage === undefined || rest.length === 0) return spec;
  const files: string[] = [];
  for (const [key, path] of Object.entries(parseFiles(spec, rest.join(":"), usage)))
    files.push(`${key}=${await map(path)}`);
  return `${name}:${files.join()}`;
}

/** The name in a spec, without the files of its weights. */
export const measureName = (spec: string): string => {
  const [name = ""] = spec.split(":");
  return Object.hasOwn(weightsUsage, name) ? name : spec;
};

/**
 * `key=file` pairs, each key of the usage once. A comma in a file name is fine as long as no key
 * follows it.
 */
function parseFiles(spec: string, text: string, usage: string): Readonly<Record<string, string>> {
  const keys = [...usage.matchAll(/(\w+)=/g)].map((match) => itemAt(match, 1));
  const parts = text.split(new RegExp(`(?:^|,)(${keys.join("|")})=`));
  const files: Record<string, string> = {};
  for (let i = 1; i + 1 < parts.length; i += 2) files[itemAt(parts, i)] = itemAt(parts, i + 1);
  if (parts[0] !== "" || parts.length !== 1 + 2 * keys.length || keys.some((key) => !files[key]))
    throw new PetalfaceError("PETAL_OPTION_INVALID", `quality measure "${spec}" is not understood; write ${usage}`);
  return files;
}

/** CNNIQA's weights from its author's checkpoint. Throws PetalfaceError. */
async function readCnniqaWeights(path: string): Promise<QualityWeights> {
  const checkpoint = await openCheckpoint(path);
  const group = checkpoint.groups.find(({ tensors }) => Object.keys(cnniqaTensors).every((name) => tensors.has(name)));
  if (group === undefined)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `${path}: no checkpoint of CNNIQA; it must hold ${Object.keys(cnniqaTensors).join(", ")}`,
    );
  const tensors = new Map<string, QualityTensor>();
  for (const [name, dims] of Object.entries(cnniqaTensors)) {
    const tensor = group.tensors.get(name);
    if (tensor === undefined || tensor.shape.join() !== dims.join())
      throw new PetalfaceError(
        "PETAL_QUALITY_UNFIT",
        `${path}: tensor "${name}" is [${tensor?.shape}], CNNIQA's is [${dims}]`,
      );
    tensors.set(name, { dims, data: await readTensor(checkpoint, tensor) });
  }
  return qualityWeights(tensors);
}
