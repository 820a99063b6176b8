import { Session } from "node:inspector";
import type { Worker } from "node:worker_threads";

/** Ends threads of this process from inside, as an error in them does. */
export interface ThreadEnder extends Disposable {
  /** Whether the thread can be ended: the inspector hears of a new one some time after it began. */
  knows(worker: Worker): boolean;
  /**
   * Throws an error in a thread that belongs to none of its tasks; resolves once it has ended.
   * `terminate` would stop native code too: onnxruntime then takes the whole process along.
   */
  end(worker: Worker): Promise<void>;
}

/** Opens a {@link ThreadEnder} for threads that start from now on. */
export function openThreadEnder(): ThreadEnder {
  const inspector = new Session();
  inspector.connect();
  /** The inspector's session of each thread, by the thread's number. */
  const sessions = new Map<string, string>();
  inspector.on("NodeWorker.attachedToWorker", ({ params: { sessionId, workerInfo } }) => {
    sessions.set(workerInfo.workerId, sessionId);
  });
  inspector.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  return {
    knows: ({ threadId }) => sessions.has(String(threadId)),
    async end(worker) {
      const sessionId = sessions.get(String(worker.threadId));
      if (sessionId === undefined) throw new Error("there is no such thread");
      const expression = 'setImmediate(() => { throw new Error("an error of no task"); })';
      const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression } });
      const ended = new Promise<void>((resolve) => {
        worker.once("exit", () => resolve());
      });
      inspector.post("NodeWorker.sendMessageToWorker", { sessionId, message });
      await ended;
    },
    [Symbol.dispose]: () => inspector.disconnect(),
  };
}
