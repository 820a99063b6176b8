import { availableParallelism } from "node:os";
import { openThread, type Thread } from "./thread.ts";

/** Threads that answer tasks. One that ends by itself is replaced when a task needs it. */
export interface Workers<Task, Answer> {
  /**
   * Throws what the task throws; a PetalfaceError (`PETAL_THREAD_ENDED`) where its thread ends
   * before it has answered.
   */
  run(task: Task): Promise<Answer>;
  /** Ends the threads, after the work in hand, or leaves them to the next pool. Never throws. */
  close(): Promise<void>;
}

/** How many threads, and what they begin and end with. */
export interface WorkersOptions<Task> {
  readonly threads: number;
  /** All threads at once, or one, and the others as tasks come. */
  readonly start: "all" | "asked";
  /** What each thread gets when it starts. */
  readonly workerData?: unknown;
  /**
   * A task without work, which each thread answers before it ends. It has then started: a thread
   * that is stopped while it opens a session of onnxruntime takes the whole process along
   * ("terminate called after throwing an instance of 'Napi::Error'").
   */
  readonly last: Task;
  /**
   * Whether threads that have answered `last` wait some seconds for the next pool of the same file
   * that keeps its threads. They then hold nothing of this one: what it needs comes with its tasks.
   * Default: false.
   */
  readonly kept?: boolean;
}

interface Waiting<Task, Answer> {
  readonly task: Task;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/**
 * Opens threads that run `worker`, the file of that name next to the caller's: source in the
 * repository, built in the package. It calls `answerTasks`. The threads keep the process alive only
 * while they have tasks.
 *
 * @param module `import.meta.url` of the caller
 */
export function openWorkers<Task, Answer>(module: string, options: WorkersOptions<Task>): Workers<Task, Answer> {
  const { threads, start, workerData, last, kept = false } = options;
  const file = new URL(module.endsWith(".ts") ? "./worker.ts" : "./worker.js", module);
  const all = new Map<Thread<Task, Answer>, "unused" | "busy" | "free">();
  const waiting: Waiting<Task, Answer>[] = [];
  const running = new Set<Promise<Answer>>();
  let closing: Promise<void> | undefined;

  function add(): Thread<Task, Answer> {
    const known = kept ? takeIdle(file.href) : undefined;
    const thread = known ?? openThread<Task, Answer>(file, { name: "a thread of the process", workerData });
    // Only threads of this file are idle under its name.
    all.set(thread as Thread<Task, Answer>, "unused");
    return thread as Thread<Task, Answer>;
  }
  /** A thread without a task, or a new one if there may be one more. */
  function find(): Thread<Task, Answer> | undefined {
    for (const [thread, state] of all) {
      if (thread.hasEnded()) all.delete(thread);
      else if (state !== "busy") return thread;
    }
    return all.size < threads ? add() : undefined;
  }
  /** Gives the tasks that wait to the threads that have none. */
  function assign(): void {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      try {
        const thread = find();
        if (thread === undefined) return;
        all.set(thread, "busy");
        const done = (): void => {
          if (all.has(thread)) all.set(thread, "free");
          assign();
        };
        thread.ask(first.task).then(first.resolve, first.reject).then(done);
      } catch (error) {
        // No thread can be started.
        first.reject(error);
      }
      waiting.shift();
    }
  }
  function run(task: Task): Promise<Answer> {
    if (closing !== undefined) return Promise.reject(new Error("the threads are closed"));
    const answer = new Promise<Answer>((resolve, reject) => {
      waiting.push({ task, resolve, reject });
    });
    running.add(answer);
    const done = (): void => void running.delete(answer);
    answer.then(done, done);
    assign();
    return answer;
  }
  async function leave(thread: Thread<Task, Answer>): Promise<void> {
    // One that may still be starting, and holds nothing, is not waited for.
    const holdsNothing =
      (kept && all.get(thread) === "unused") ||
      (await thread.ask(last).then(
        () => true,
        () => false,
      ));
    if (!(kept && holdsNothing && keepIdle(file.href, thread))) await thread.end();
  }
  async function close(): Promise<void> {
    await Promise.allSettled(running);
    await Promise.all(Array.from(all.keys(), leave));
  }
  for (let count = start === "all" ? threads : 1; count > 0; count--) add();
  return {
    run,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Milliseconds that a thread waits for the next pool: from one call of the library to the next. */
const idleTime = 5_000;

interface Idle {
  readonly thread: Thread<unknown, unknown>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Threads that belong to no pool, by their file. They have loaded their modules and hold nothing
 * of any pool. At most as many as the machine has cores.
 */
const idle = new Map<string, Idle[]>();

/** Whether a thread waits for the next pool now. */
function keepIdle(file: string, thread: Thread<unknown, unknown>): boolean {
  const list = idle.get(file) ?? [];
  idle.set(file, list);
  if (thread.hasEnded() || list.length >= availableParallelism()) return false;
  const timer = setTimeout(() => {
    list.splice(list.indexOf(one), 1);
    void thread.end();
  }, idleTime);
  const one: Idle = { thread, timer: timer.unref() };
  list.push(one);
  return true;
}

/** The thread that has waited for the shortest time; none that has ended. */
function takeIdle(file: string): Thread<unknown, unknown> | undefined {
  const list = idle.get(file) ?? [];
  for (let one = list.pop(); one !== undefined; one = list.pop()) {
    clearTimeout(one.timer);
    if (!one.thread.hasEnded()) return one.thread;
  }
  return undefined;
}
