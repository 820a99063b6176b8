import { type Graph, proveBatch } from "onnx-grad";
import { openSession, type Session } from "../runtime/index.ts";

/** Proves on random images that `opened` does to many images what `fixed`, the model as its file has it, does to each. Throws OnnxGradError if not. */
export async function proveOpenBatch(fixed: Graph, opened: Graph): Promise<void> {
  const sessions = new Map<Graph, Session>();
  try {
    await proveBatch(fixed, opened, async (graph, feeds) => {
      const session = sessions.get(graph) ?? (await openSession(graph));
      sessions.set(graph, session);
      return session.run(feeds);
    });
  } finally {
    for (const session of sessions.values()) await session.close();
  }
}
