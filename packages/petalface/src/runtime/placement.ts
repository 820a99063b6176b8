import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Graph, Tensor } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { openEngine } from "./engine.ts";
import { requireProvider } from "./probe.ts";
import type { SessionOptions } from "./types.ts";

/** Where the nodes of a graph ran. */
export interface Placement {
  /** Nodes that ran on the provider, after onnxruntime's own rewriting. */
  readonly placed: number;
  /**
   * Nodes that fell back to the CPU provider, by operator; slower, with copies to and fro, but
   * right.
   */
  readonly fallback: ReadonlyMap<string, number>;
  /** What the run put out. */
  readonly results: Readonly<Record<string, Tensor>>;
}

/** The part of a profile's events that is read here. */
interface ProfileEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly provider?: string; readonly op_name?: string };
}

const profilePrefix = "profile";

/**
 * Runs a graph once on its provider and says which of its nodes onnxruntime ran on the CPU instead,
 * read from onnxruntime's profile of that run. Throws PetalfaceError as {@link openSession} does.
 */
export async function placementOf(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  options: SessionOptions,
): Promise<Placement> {
  const provider = options.provider ?? "cpu";
  await requireProvider(provider);
  const { session, folder, run, close } = await openEngine(graph, options, profilePrefix);
  try {
    const results = await run(feeds);
    session.endProfiling();
    const file = (await readdir(folder)).find((name) => name.startsWith(profilePrefix) && name.endsWith(".json"));
    if (file === undefined) throw new PetalfaceError("PETAL_ENGINE_FAILED", "onnxruntime wrote no profile");
    return { results, ...readProfile(await readFile(join(folder, file), "utf8"), provider === "cpu") };
  } finally {
    await close();
  }
}

/**
 * Counts the nodes in onnxruntime's profile by where they ran; `home` says that the CPU is where
 * they should.
 */
export function readProfile(text: string, home: boolean): Pick<Placement, "placed" | "fallback"> {
  const fallback = new Map<string, number>();
  let placed = 0;
  for (const { cat, name = "", args = {} } of JSON.parse(text) as ProfileEvent[]) {
    if (cat !== "Node" || args.provider === undefined || !name.endsWith("_kernel_time")) continue;
    if (args.provider !== "CPUExecutionProvider" || home) placed++;
    else fallback.set(args.op_name ?? "?", (fallback.get(args.op_name ?? "?") ?? 0) + 1);
  }
  return { placed, fallback };
}
