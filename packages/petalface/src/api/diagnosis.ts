import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { messageOf } from "../errors.ts";
import { proveWritable } from "../files.ts";
import { installAgain } from "../installed.ts";
import { cacheFolder, isCached, knownModels } from "../models/index.ts";
import type { Provider } from "../runtime/index.ts";

/** One thing that `petalface doctor` looked at. */
export interface Finding {
  readonly name: string;
  /**
   * `missing`: works without it, but something is slower or unavailable. `broken`: petalface does
   * not work.
   */
  readonly state: "ok" | "missing" | "broken";
  readonly detail: string;
  /** What to do; absent where there is nothing to do. */
  readonly todo?: string;
}

const GIB = 2 ** 30;
// Named here: where the runtime's module does not load, that is what doctor is to find.
const providers: readonly Provider[] = ["cpu", "cuda", "webgpu"];

function firstLine(error: unknown): string {
  return messageOf(error).trim().split("\n")[0] ?? "";
}

function node(): Finding {
  const [major = 0] = process.versions.node.split(".").map(Number);
  const detail = `${process.versions.node} on ${process.platform} ${process.arch}`;
  if (major >= 20) return { name: "node", state: "ok", detail };
  return { name: "node", state: "broken", detail, todo: "install Node 20 or newer" };
}

async function runtime(): Promise<Finding[]> {
  const name = "onnxruntime";
  try {
    const { loadOnnxruntime, telemetryWanted } = await import("../runtime/index.ts");
    const { env } = await loadOnnxruntime();
    return [
      { name, state: "ok", detail: env.versions.node ?? env.versions.common },
      { name: "telemetry", state: "ok", detail: telemetryOf(telemetryWanted(process.env)) },
    ];
  } catch (error) {
    return [{ name, state: "broken", detail: firstLine(error), todo: installAgain() }];
  }
}

/**
 * What becomes of onnxruntime's telemetry. On Windows it writes trace events, and the system
 * decides what is sent.
 */
function telemetryOf(wanted: boolean): string {
  if (wanted) return "onnxruntime's is on: PETALFACE_ORT_TELEMETRY=1";
  if (process.platform === "win32") return "petalface has none; Windows' settings control onnxruntime's trace events";
  return "none; onnxruntime's telemetry is switched off (docs/privacy.md)";
}

/** Tries a provider in a process of its own: a broken driver may print, crash or hang. */
async function provider(name: Provider): Promise<Finding> {
  const title = `provider ${name}`;
  const state = name === "cpu" ? "broken" : "missing";
  try {
    const { probeProvider } = await import("../runtime/index.ts");
    const { problem, todo } = await probeProvider(name);
    if (problem === undefined) return { name: title, state: "ok", detail: "opens a session and computes" };
    const without = name === "cpu" ? "" : `needed only for 'provider=${name}'; `;
    return { name: title, state, detail: problem, todo: `${without}${todo}` };
  } catch (error) {
    return { name: title, state, detail: firstLine(error), todo: installAgain() };
  }
}

/** Which instruction sets there are, and what follows for 8-bit products. */
async function processor(): Promise<Finding[]> {
  try {
    const { instructionSets, signedBytesOverflow } = await import("../runtime/index.ts");
    const [sets, overflow] = [await instructionSets(), await signedBytesOverflow()];
    const detail = sets === undefined ? "the system does not report it" : sets.join(", ") || "none for fast products";
    return [{ name: "processor", state: "ok", detail }, bytesFinding(overflow)];
  } catch (error) {
    // `provider cpu` says what to do about it.
    return [{ name: "processor", state: "missing", detail: firstLine(error), todo: "see provider cpu" }];
  }
}

/** 8-bit products: exact here, or only in petalface's form. */
function bytesFinding(overflow: boolean): Finding {
  const name = "8-bit";
  if (!overflow) return { name, state: "ok", detail: "products of signed bytes are exact" };
  const detail = "signed bytes overflow (no VNNI); petalface's own bytes do not";
  return { name, state: "missing", detail, todo: "docs/speed.md explains what models of other programs need" };
}

async function images(): Promise<Finding> {
  const name = "sharp";
  try {
    const { default: sharp } = await import("sharp");
    const raw = { width: 2, height: 2, channels: 3 } as const;
    const jpeg = await sharp(Buffer.alloc(12, 128), { raw }).jpeg().toBuffer();
    await sharp(jpeg).raw().toBuffer();
    return { name, state: "ok", detail: `${sharp.versions.sharp}, libvips ${sharp.versions.vips}` };
  } catch (error) {
    return { name, state: "broken", detail: firstLine(error), todo: installAgain() };
  }
}

function machine(): Finding[] {
  const memory = process.constrainedMemory() || totalmem();
  const total = Math.min(memory, totalmem()) / GIB;
  const detail = `${total.toFixed(1)} GiB`;
  return [
    { name: "cores", state: "ok", detail: String(availableParallelism()) },
    total >= 2
      ? { name: "memory", state: "ok", detail }
      : { name: "memory", state: "missing", detail, todo: "adapt with a smaller 'batch'" },
  ];
}

async function cache(folder: string): Promise<Finding[]> {
  try {
    await proveWritable(folder);
  } catch (error) {
    const todo = "set PETALFACE_CACHE to a writable folder";
    return [{ name: "cache", state: "missing", detail: firstLine(error), todo }];
  }
  const { bavail, bsize } = await statfs(folder);
  const free = (bavail * bsize) / GIB;
  const detail = `${free.toFixed(1)} GiB free`;
  return [
    { name: "cache", state: "ok", detail: folder },
    free >= 1
      ? { name: "disk", state: "ok", detail }
      : { name: "disk", state: "missing", detail, todo: `free some space where ${folder} is` },
  ];
}

async function models(folder: string): Promise<Finding[]> {
  const fetchable = knownModels.filter((model) => model.source);
  return Promise.all(
    fetchable.map(async (model): Promise<Finding> => {
      const name = `model ${model.name}`;
      if (await isCached(model, folder)) return { name, state: "ok", detail: "cached" };
      const todo = `fetched at first use; \`petalface models ${model.name}\` fetches it now`;
      return { name, state: "missing", detail: "not cached", todo };
    }),
  );
}

/**
 * Looks at everything that petalface needs on this machine. Never throws; what fails is a finding.
 */
export async function diagnose(): Promise<Finding[]> {
  const folder = cacheFolder();
  const groups = await Promise.all([
    runtime(),
    processor(),
    ...providers.map(provider),
    images(),
    cache(folder),
    models(folder),
  ]);
  return [node(), ...machine(), ...groups.flat()];
}
