import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { collect } from "./collect.ts";
import { type OpenFile, readPart, withFile } from "./file.ts";
import { indexEnding, readConfig, readIndex, weightsIn } from "./folder.ts";
import { listSafetensors } from "./safetensors.ts";
import { readTorchZip } from "./torch/archive.ts";
import { readTorchLegacy } from "./torch/legacy.ts";
import type { Checkpoint, CheckpointTensor, Plain } from "./types.ts";

type Files = Map<string, { readonly size: number; readonly changed: number }>;

/**
 * Lists what a checkpoint holds: named tensors with type, shape, strides and the place of their
 * bytes, and plain values. The numbers themselves are not read, and nothing that the file says is
 * ever run.
 *
 * @param path a file that `torch.save` wrote (zip or older), a safetensors file, an index of
 * sharded safetensors files, or a folder as Hugging Face lays it out (`config.json`,
 * `model.safetensors`)
 * @throws PetalfaceError where it is missing, damaged, truncated, made to do harm, or something
 * else; in bounded time and memory
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const entry = await stat(path).catch(() => undefined);
  if (entry === undefined)
    throw new PetalfaceError("PETAL_MODEL_MISSING", `there is no ${path}; give the path of a checkpoint`);
  if (!entry.isDirectory()) return await openFile(path, path);
  const weights = await weightsIn(path);
  if (weights === undefined)
    throw new PetalfaceError(
      "PETAL_MODEL_MISSING",
      `${path}: no model.safetensors, pytorch_model.bin or model.pt is in this folder; name the file`,
    );
  return await openFile(path, weights);
}

async function openFile(path: string, weights: string): Promise<Checkpoint> {
  const config = path === weights ? undefined : await readConfig(path);
  const rest = config === undefined ? {} : { config };
  if (weights.endsWith(indexEnding)) return { ...(await openShards(path, weights)), ...rest };
  return await withFile(weights, async (file) => {
    const files: Files = new Map([[weights, { size: file.size, changed: file.changed }]]);
    const kind = await sniff(file);
    if (kind === "safetensors") {
      const { tensors, metadata } = await listSafetensors(file);
      return { path, format: kind, groups: [group(tensors)], metadata: record(metadata), files, ...rest };
    }
    const { format, value, locate } = kind === "zip" ? await readTorchZip(file) : await readTorchLegacy(file);
    return { path, format, ...collect(value, weights, locate), files, ...rest };
  });
}

async function openShards(path: string, index: string): Promise<Checkpoint> {
  const files: Files = new Map();
  const tensors = new Map<string, CheckpointTensor>();
  const words = new Map<string, string>();
  for (const [place, names] of await readIndex(index)) {
    const shard = await withFile(place, async (file) => {
      files.set(place, { size: file.size, changed: file.changed });
      return await listSafetensors(file);
    });
    for (const [word, text] of shard.metadata) words.set(word, text);
    for (const name of names) {
      const tensor = shard.tensors.get(name);
      if (tensor === undefined)
        throw new PetalfaceError(
          "PETAL_CHECKPOINT_DAMAGED",
          `${index}: tensor ${JSON.stringify(name)} is missing in ${place}; is it complete?`,
        );
      tensors.set(name, tensor);
    }
  }
  return {
    path: path === index ? index : dirname(index),
    format: "safetensors",
    groups: [group(tensors)],
    metadata: record(words),
    files,
  };
}

function group(tensors: Map<string, CheckpointTensor>) {
  return { path: "", tensors, elements: [...tensors.values()].reduce((sum, { elements }) => sum + elements, 0) };
}

function record(words: ReadonlyMap<string, string>): { readonly [key: string]: Plain } {
  const result = Object.create(null) as Record<string, Plain>;
  for (const [word, text] of words) result[word] = text;
  return result;
}

/**
 * What a file is by its first bytes; throws with what it seems to be where it is not a checkpoint.
 */
async function sniff(file: OpenFile): Promise<"zip" | "pickle" | "safetensors"> {
  const { path, size } = file;
  if (size === 0)
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${path}: the file is empty; copy or download it again`);
  const head = Buffer.from(await readPart(file, 0, Math.min(512, size)));
  refusePlaceholder(head, path);
  if (/\.safetensors$/i.test(path) || (size > 8 && head[8] === 0x7b && head.readBigUInt64LE(0) < BigInt(size)))
    return "safetensors";
  const text = head.toString("latin1");
  if (text.startsWith("PK")) return "zip";
  if (head[0] === 0x80) return "pickle";
  if (text.slice(257, 262) === "ustar")
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a tar file, as PyTorch wrote before 0.1.10 or other tools do; unpack it, or open it with PyTorch and save it again`,
    );
  throw new PetalfaceError(
    "PETAL_CHECKPOINT_UNSUPPORTED",
    `${path}: neither a PyTorch checkpoint nor a safetensors file; its first bytes are of another format`,
  );
}

/** Whether a path looks like a checkpoint of PyTorch or a folder with one; nothing is checked. */
export async function isCheckpoint(path: string): Promise<boolean> {
  const entry = await stat(path).catch(() => undefined);
  if (entry?.isDirectory()) return (await weightsIn(path)) !== undefined;
  if (!entry?.isFile()) return false;
  if (path.endsWith(indexEnding) || /\.(?:pt|pth|ckpt|safetensors)$/i.test(path)) return true;
  if (entry.size < 16) return false;
  const head = await withFile(path, (file) => readPart(file, 0, 16));
  const magic = Buffer.from(head).toString("hex");
  // A zip, or the pickle of the magic number that old PyTorch begins a file with.
  return magic.startsWith("504b0304") || magic.startsWith("80028a0a6cfc9c46f9206aa85019");
}
