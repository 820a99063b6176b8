import type { Graph } from "onnx-grad";
import { makeTemporary } from "../../temporary.ts";
import { openWorkers, receiveError } from "../../workers.ts";
import type { Session, SessionOptions } from "../types.ts";
import type { EngineAnswer, EngineTask } from "./worker.ts";

/**
 * Loads a graph in a thread of its own, which does what it is asked in order: a caller that asks
 * for the next run before it has the last result leaves the engine no pause. Graph, inputs and
 * results are copied from thread to thread; weights in files are not.
 */
export async function openInThread(graph: Graph, options: SessionOptions): Promise<Session> {
  // Made here: a thread has no time to remove its files where the process is ended.
  const temporary = await makeTemporary(options.scratch);
  const how = { threads: 1, start: "all", workerData: undefined } as const;
  const thread = openWorkers<EngineTask, EngineAnswer>(import.meta.url, how);
  const ask = async (task: EngineTask): Promise<EngineAnswer> => {
    const answer = await thread.run(task);
    if ("failed" in answer) throw receiveError(answer.failed);
    return answer;
  };
  const close = async (): Promise<void> => {
    try {
      await ask({ kind: "close" });
    } finally {
      await thread.close();
      temporary.remove();
    }
  };
  try {
    const opened = await ask({ kind: "open", graph, options: { ...options, scratch: temporary.path } });
    if (!("inputs" in opened)) throw new Error("the engine's thread did not open its graph");
    return {
      ...opened,
      async run(feeds) {
        const answer = await ask({ kind: "run", feeds });
        if (!("results" in answer)) throw new Error("the engine's thread gave no results");
        return answer.results;
      },
      close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}
