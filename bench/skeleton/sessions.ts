import { encodeModel, type Graph, type Run } from "onnx-grad";
import { InferenceSession } from "onnxruntime-node";
import { openSession, type SessionOptions } from "petalface/runtime";

type Feeds = Parameters<Run>[1];

/** Runs a graph once. */
export async function runOnce(graph: Graph, feeds: Feeds, options: SessionOptions = {}): ReturnType<Run> {
  const session = await openSession(graph, options);
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

/** Opens graphs in onnxruntime with its own options and one thread, without petalface. */
export async function openPlain(graphs: readonly Graph[]): Promise<InferenceSession[]> {
  const sessions: InferenceSession[] = [];
  for (const graph of graphs)
    sessions.push(await InferenceSession.create(encodeModel(graph), { intraOpNumThreads: 1 }));
  return sessions;
}
