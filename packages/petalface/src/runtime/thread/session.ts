import { setTimeout as sleep } from "node:timers/promises";
import type { Graph, Tensor } from "onnx-grad";
import { messageOf, PetalfaceError } from "../../errors.ts";
import { makeTemporary } from "../../temporary.ts";
import { openThread, type Thread } from "../../thread.ts";
import { prepareThreads } from "../onnxruntime.ts";
import type { EngineKeeper, Session, SessionOptions } from "../types.ts";
import type { EngineAnswer, EngineTask } from "./worker.ts";

/** How often, and after which waits, a thread that has ended by itself is started again. */
export interface Restarts {
  /** Starts in a row that may fail or be followed by another end. */
  readonly most: number;
  /** Milliseconds before the second start in a row; each further one waits twice as long. */
  readonly wait: number;
  /** Milliseconds after which a thread counts as sound: the next end is the first one again. */
  readonly sound: number;
}

const restartDefaults: Restarts = { most: 4, wait: 500, sound: 60_000 };

/**
 * Loads a graph in a thread of its own, which does what it is asked in order: a caller that asks
 * for the next run before it has the last result leaves the engine no pause. Graph and results are
 * copied from thread to thread, and inputs unless their memory is given; weights in files are not.
 *
 * A thread that ends by itself takes along the runs that it was asked for: they are refused
 * (`PETAL_THREAD_ENDED`), as are those that come until another thread has loaded the graph.
 */
export async function openInThread(
  graph: Graph,
  options: SessionOptions,
  keeper: EngineKeeper,
  restarts: Restarts = restartDefaults,
): Promise<Session> {
  // Made here: a thread has no time to remove its files where the process is ended.
  const temporary = await makeTemporary(options.scratch);
  // What the keeper is asked stays on this side: functions are not sent.
  const { ownThread: _, ...sent } = options;
  const open = () => openEngineThread(graph, { ...sent, scratch: temporary.path });
  let engine: EngineThread | undefined;
  try {
    engine = await open();
  } catch (error) {
    temporary.remove();
    throw error;
  }
  const { inputs, outputs } = engine;
  const closing = new AbortController();
  let why: Error | undefined;
  /** The start that is under way. */
  let starting: Promise<void> = Promise.resolve();
  let ends = 0;

  function guard(one: EngineThread): void {
    const since = performance.now();
    void one.lost.then((reason) => {
      if (closing.signal.aborted) return;
      if (performance.now() - since >= restarts.sound) ends = 0;
      engine = undefined;
      why = reason;
      keeper.lost(reason.message);
      starting = startAgain();
    });
  }

  async function startAgain(): Promise<void> {
    while (!closing.signal.aborted) {
      if (ends >= restarts.most) {
        const text = `${messageOf(why)}, and starting it again did not help (${ends} times)`;
        why = new PetalfaceError("PETAL_THREAD_ENDED", text);
        keeper.failed(why);
        return;
      }
      const wait = ends === 0 ? 0 : restarts.wait * 2 ** (ends - 1);
      ends++;
      await sleep(wait, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      if (closing.signal.aborted) return;
      try {
        engine = await open();
      } catch (error) {
        why = error instanceof Error ? error : new Error(String(error));
        continue;
      }
      if (closing.signal.aborted) return;
      keeper.back();
      guard(engine);
      return;
    }
  }

  guard(engine);
  return {
    inputs,
    outputs,
    async run(feeds, memory) {
      if (engine !== undefined) return await engine.run(feeds, memory);
      throw new PetalfaceError("PETAL_THREAD_ENDED", `${messageOf(why)}; try again soon`);
    },
    async close() {
      closing.abort();
      await starting;
      try {
        await engine?.close();
      } finally {
        temporary.remove();
      }
    },
  };
}

/** A thread that has loaded its graph. */
interface EngineThread extends Session {
  readonly lost: Thread<EngineTask, EngineAnswer>["lost"];
}

async function openEngineThread(graph: Graph, options: SessionOptions): Promise<EngineThread> {
  const file = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
  prepareThreads();
  const thread = openThread<EngineTask, EngineAnswer>(file, { name: "the engine's thread", workerData: undefined });
  const close = async (): Promise<void> => {
    try {
      await thread.ask({ kind: "close" });
    } catch (error) {
      // A thread that has ended holds nothing.
      if (!(error instanceof PetalfaceError && error.code === "PETAL_THREAD_ENDED")) throw error;
    } finally {
      await thread.end();
    }
  };
  try {
    const opened = await thread.ask({ kind: "open", graph, options });
    if (!("inputs" in opened)) throw new Error("the engine's thread did not open its graph");
    return {
      ...opened,
      lost: thread.lost,
      async run(feeds: Readonly<Record<string, Tensor>>, memory: "kept" | "given" = "kept") {
        const arrays = memory === "given" ? Object.values(feeds).map(({ data }) => data) : [];
        const moved = arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
        const answer = await thread.ask({ kind: "run", feeds }, moved);
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
