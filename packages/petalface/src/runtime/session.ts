import type { Graph, Tensor } from "onnx-grad";
import { openEngine } from "./engine.ts";
import { requireProvider } from "./probe.ts";
import { openInThread } from "./thread/session.ts";
import type { Session, SessionOptions } from "./types.ts";

/**
 * Lowers a graph for its provider and loads it into onnxruntime. The frozen weights stay in their
 * file, which onnxruntime maps by itself. Throws PetalfaceError if the provider does not work on
 * this machine or the engine refuses the graph.
 */
export async function openSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  await requireProvider(options.provider ?? "cpu");
  if (options.ownThread !== undefined) return await openInThread(graph, options, options.ownThread);
  const { session, run, close } = await openEngine(graph, options);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    run,
    close,
  };
}

/** The float32 output of this name. Throws if the graph has none, which is a mistake of ours. */
export function floatsOf(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const tensor = results[name];
  if (tensor?.dtype !== "float32") throw new Error(`the graph put out no float32 "${name}"`);
  return tensor.data;
}
