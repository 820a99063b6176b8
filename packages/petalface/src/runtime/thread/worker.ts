import { parentPort } from "node:worker_threads";
import type { Graph, Tensor } from "onnx-grad";
import { answerTasks } from "../../thread.ts";
import { type Engine, openEngine } from "../engine.ts";
import type { SessionOptions } from "../types.ts";

/** What the thread is asked: to load a graph, to run it, or to free it. Plain data. */
export type EngineTask =
  | { readonly kind: "open"; readonly graph: Graph; readonly options: SessionOptions }
  | { readonly kind: "run"; readonly feeds: Readonly<Record<string, Tensor>> }
  | { readonly kind: "close" };

/** What the thread answers. */
export type EngineAnswer =
  | { readonly inputs: readonly string[]; readonly outputs: readonly string[] }
  | { readonly results: Record<string, Tensor> }
  | { readonly closed: true };

let engine: Engine | undefined;

/** Works on a task; the thread has one engine. */
async function work(task: EngineTask): Promise<EngineAnswer> {
  if (task.kind === "open") {
    engine = await openEngine(task.graph, task.options);
    return { inputs: engine.session.inputNames, outputs: engine.session.outputNames };
  }
  if (task.kind === "run") {
    if (engine === undefined) throw new Error("this thread has no engine");
    return { results: await engine.run(task.feeds) };
  }
  await engine?.close();
  engine = undefined;
  return { closed: true };
}

if (parentPort !== null) answerTasks(parentPort, work);
