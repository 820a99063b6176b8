import { type MessagePort, type Transferable, Worker } from "node:worker_threads";
import { type ErrorCode, messageOf, PetalfaceError } from "./errors.ts";

/** A thread that answers tasks one after the other, in their order. */
export interface Thread<Task, Answer> {
  /**
   * Gives the thread a task, also while it works on others: it never waits for this side.
   *
   * @param moved buffers of the task that the thread takes over; all others are copied
   * @throws what the task throws; a PetalfaceError (`PETAL_THREAD_ENDED`) where the thread has
   * ended, or ends before it has answered
   */
  ask(task: Task, moved?: readonly Transferable[]): Promise<Answer>;
  /** Resolves with the reason when the thread has ended by itself. */
  readonly lost: Promise<PetalfaceError>;
  /** Ends the thread. What it has not answered is refused. */
  end(): Promise<void>;
}

/** How a {@link Thread} starts. */
export interface ThreadOptions {
  /** What messages call the thread, such as `the engine's thread`. */
  readonly name: string;
  /** What the thread gets when it starts. */
  readonly workerData: unknown;
}

interface Waiting<Answer> {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

type Sent<Answer> = { readonly answer: Answer } | { readonly failed: SentError };

/**
 * Starts a thread that runs `file`, which calls {@link answerTasks}. The thread keeps the process
 * alive only while it has tasks.
 */
export function openThread<Task, Answer>(file: URL, { name, workerData }: ThreadOptions): Thread<Task, Answer> {
  const worker = new Worker(file, { workerData, execArgv: [] });
  worker.unref();
  const waiting: Waiting<Answer>[] = [];
  let over: PetalfaceError | undefined;
  let isAsked = false;
  let reason: string | undefined;
  let lose: (why: PetalfaceError) => void = () => {};
  const lost = new Promise<PetalfaceError>((resolve) => {
    lose = resolve;
  });
  worker.on("message", (sent: Sent<Answer>) => {
    const first = waiting.shift();
    if (waiting.length === 0) worker.unref();
    if ("answer" in sent) first?.resolve(sent.answer);
    else first?.reject(receiveError(sent.failed));
  });
  // The event "exit" follows.
  worker.on("error", (error) => {
    reason = messageOf(error);
  });
  worker.on("exit", (code) => {
    over = new PetalfaceError("PETAL_THREAD_ENDED", `${name} has ended (${reason ?? `exit code ${code}`})`);
    for (const { reject } of waiting.splice(0)) reject(over);
    if (!isAsked) lose(over);
  });
  return {
    lost,
    ask(task, moved = []) {
      if (over !== undefined) return Promise.reject(over);
      return new Promise((resolve, reject) => {
        worker.postMessage(task, moved);
        worker.ref();
        waiting.push({ resolve, reject });
      });
    },
    async end() {
      isAsked = true;
      await worker.terminate();
    },
  };
}

/**
 * Answers the tasks that come through a port, one after the other. What the work throws is the
 * answer to its task.
 *
 * @param movedWith buffers of an answer that the other side takes over; all others are copied
 */
export function answerTasks<Task, Answer>(
  port: MessagePort,
  work: (task: Task) => Answer | Promise<Answer>,
  movedWith: (answer: Answer) => readonly Transferable[] = () => [],
): void {
  let last: Promise<unknown> = Promise.resolve();
  port.on("message", (task: Task) => {
    last = last.then(async () => {
      let sent: Sent<Answer>;
      let moved: readonly Transferable[] = [];
      try {
        const answer = await work(task);
        sent = { answer };
        moved = movedWith(answer);
      } catch (error) {
        sent = { failed: sendError(error) };
      }
      port.postMessage(sent, moved);
    });
  });
}

/** An error as a thread sends it: as text, since a class does not survive the way. */
export interface SentError {
  readonly message: string;
  /** The code of a PetalfaceError; undefined for others. */
  readonly code: ErrorCode | undefined;
}

/** What a thread sends of an error. */
export const sendError = (error: unknown): SentError => ({
  message: messageOf(error),
  code: error instanceof PetalfaceError ? error.code : undefined,
});

/** The error that a thread has sent. */
export const receiveError = ({ message, code }: SentError): Error =>
  code === undefined ? new Error(message) : new PetalfaceError(code, message);
