import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { makeFolder, writeFileSafely } from "../../files.ts";
import { cannotStart, startProgram } from "../../programs.ts";
import { openOneAtATime } from "../one-at-a-time.ts";
import { Problem } from "../problem.ts";

/** Where a job is. `interrupted`: the server ended while it ran. */
export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled" | "interrupted";

/** Long work that clients start. */
export interface Job {
  readonly id: string;
  readonly kind: "adapt" | "evaluate" | "export" | "migrate";
  /** What the client asked for. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly created: string;
  readonly state: JobState;
  readonly ended: string | null;
  /** What went wrong, one line. */
  readonly message: string | null;
  /** Images a second of a training that is over. */
  readonly rate: number | null;
  /** What the command printed as JSON. */
  readonly result: unknown;
}

/** Something new about a job: a line of its progress, or another state. */
export interface JobEvent {
  readonly number: number;
  readonly type: "progress" | "state";
  readonly text: string;
}

/** The jobs of a server: one runs at a time, each in a process of its own. */
export interface Jobs {
  list(): readonly Job[];
  /** Throws a {@link Problem} where there is none. */
  find(id: string): Job;
  /** Where a job's run or results are. */
  folderOf(id: string): string;
  /** @param args of the command line, given the folder for its output */
  start(
    asked: Pick<Job, "kind" | "request">,
    args: (out: string) => readonly string[] | Promise<readonly string[]>,
  ): Promise<Job>;
  cancel(id: string): Promise<Job>;
  resume(id: string): Promise<Job>;
  /**
   * Calls with what has happened since an event, then with what happens; undefined: the end.
   * Returns how to stop it.
   */
  follow(id: string, after: number, hear: (event: JobEvent | undefined) => void): () => void;
  /** Stops what runs, so that it can be resumed. */
  close(): Promise<void>;
}

interface Entry {
  job: Job;
  readonly args: readonly string[];
  readonly events: JobEvent[];
  readonly listeners: Set<(event: JobEvent | undefined) => void>;
  child: ChildProcess | undefined;
  isCancelled: boolean;
  count: number;
}

/** What a server without jobs answers. */
export const noJobs = (): Problem =>
  new Problem(409, "no-jobs", "start the server with --jobs FOLDER and --data FOLDER");

const newEntry = (job: Job, args: readonly string[]): Entry => ({
  job,
  args,
  events: [],
  listeners: new Set(),
  child: undefined,
  isCancelled: false,
  count: 0,
});

/** Events of a job that are kept, the last ones. */
const mostEvents = 500;
/** Bytes of a command's output that are kept. */
const mostOutput = 2 ** 20;
const isOver = ({ state }: Job): boolean => state !== "waiting" && state !== "running";

/**
 * Opens the jobs of a folder, also those of earlier servers.
 *
 * @param program the command line: an executable and its first arguments
 */
export async function openJobs(folder: string, program: readonly string[]): Promise<Jobs> {
  await makeFolder(folder);
  const next = openOneAtATime();
  const entries = new Map<string, Entry>();
  let isClosed = false;
  for (const id of (await readdir(folder)).sort()) {
    const text = await readFile(join(folder, id, "job.json"), "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const { job, args } = JSON.parse(text) as Pick<Entry, "job" | "args">;
    const state = isOver(job) ? job.state : "interrupted";
    entries.set(id, newEntry({ ...job, state }, args));
  }

  const entryOf = (id: string): Entry => {
    const found = entries.get(id);
    if (found === undefined) throw new Problem(404, "not-found", "there is no job of this id");
    return found;
  };
  const tell = (entry: Entry, type: JobEvent["type"], text: string): void => {
    const event = { number: ++entry.count, type, text };
    entry.events.push(event);
    if (entry.events.length > mostEvents) entry.events.shift();
    for (const hear of entry.listeners) hear(event);
  };
  const set = async (entry: Entry, change: Partial<Job>): Promise<void> => {
    entry.job = { ...entry.job, ...change };
    try {
      const text = JSON.stringify({ job: entry.job, args: entry.args });
      await writeFileSafely(join(folder, entry.job.id, "job.json"), text);
    } finally {
      if (change.state !== undefined) tell(entry, "state", change.state);
      if (isOver(entry.job)) {
        for (const hear of entry.listeners) hear(undefined);
        entry.listeners.clear();
      }
    }
  };

  async function run(entry: Entry, args: readonly string[]): Promise<void> {
    if (entry.job.state !== "waiting") return;
    const [command = "", ...first] = program;
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const child = startProgram("petalface", command, [...first, ...args, "--json"], { stdio: [...stdio] });
    entry.child = child;
    entry.isCancelled = false;
    let [stdout, last, rest] = ["", "", ""];
    let rate: number | null = null;
    child.stdout?.on("data", (chunk: Buffer) => {
      if (stdout.length < mostOutput) stdout += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter((text) => text !== "")) {
        last = line;
        rate = rateOf(line) ?? rate;
        tell(entry, "progress", line);
      }
    });
    let failure: string | undefined;
    const ended = new Promise<number | null>((resolve) => {
      child.once("error", (cause) => {
        failure = cannotStart("petalface", cause).message;
        resolve(null);
      });
      child.once("close", resolve);
    });
    await set(entry, { state: "running", ended: null, message: null });
    const code = await ended;
    entry.child = undefined;
    const state = code === 0 ? "done" : entry.isCancelled ? "cancelled" : isClosed ? "interrupted" : "failed";
    const message =
      state === "failed" ? (failure ?? last.replace(/^petalface: /, "")) || `it ended with code ${code}` : null;
    await set(entry, { state, message, rate, ended: new Date().toISOString(), result: resultOf(stdout) });
  }

  async function begin(entry: Entry, args: readonly string[]): Promise<Job> {
    await set(entry, { state: "waiting" });
    void next(() => run(entry, args))
      .catch((error: unknown) => {
        entry.child?.kill("SIGKILL");
        entry.child = undefined;
        return set(entry, { state: "failed", message: messageOf(error), ended: new Date().toISOString() });
      })
      // The disk may be what fails: the job is then known to this server alone.
      .catch(() => undefined);
    return entry.job;
  }

  return {
    list: () => [...entries.values()].map(({ job }) => job),
    find: (id) => entryOf(id).job,
    folderOf: (id) => join(folder, entryOf(id).job.id, "run"),
    async start({ kind, request }, make) {
      const id = `${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}-${randomUUID().slice(0, 8)}`;
      const args = await make(join(folder, id, "run"));
      const created = new Date().toISOString();
      const begun = { state: "waiting", ended: null, message: null, rate: null, result: null } as const;
      const job: Job = { id, kind, request, created, ...begun };
      const entry = newEntry(job, args);
      entries.set(id, entry);
      return begin(entry, args);
    },
    async cancel(id) {
      const entry = entryOf(id);
      if (isOver(entry.job)) throw new Problem(409, "wrong-state", `the job is ${entry.job.state}`);
      entry.isCancelled = true;
      if (entry.child === undefined) await set(entry, { state: "cancelled", ended: new Date().toISOString() });
      else entry.child.kill("SIGINT");
      return entry.job;
    },
    async resume(id) {
      const entry = entryOf(id);
      const { kind, state } = entry.job;
      if (kind !== "adapt" || state === "done" || !isOver(entry.job))
        throw new Problem(409, "wrong-state", `a job of kind ${kind} that is ${state} cannot be resumed`);
      const run = join(folder, id, "run");
      const hasBegun = await stat(join(run, "run.json")).then(
        () => true,
        () => false,
      );
      return begin(entry, hasBegun ? ["adapt", "--resume", run] : entry.args);
    },
    follow(id, after, hear) {
      const entry = entryOf(id);
      for (const event of entry.events) if (event.number > after) hear(event);
      if (isOver(entry.job)) {
        hear(undefined);
        return () => undefined;
      }
      entry.listeners.add(hear);
      return () => void entry.listeners.delete(hear);
    },
    async close() {
      isClosed = true;
      for (const entry of entries.values()) {
        if (entry.job.state === "waiting") await set(entry, { state: "interrupted" });
        entry.child?.kill("SIGINT");
      }
      await next(async () => {});
    },
  };
}

/** The rate of the line that a training ends with: `training 9,600 images in 3:12, 50/s`. */
function rateOf(line: string): number | undefined {
  const found = /^training [\d,]+ images in [\d:]+, ([\d.,]+)\/s/.exec(line)?.[1];
  return found === undefined ? undefined : Number(found.replaceAll(",", ""));
}

function resultOf(stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    return null;
  }
}
