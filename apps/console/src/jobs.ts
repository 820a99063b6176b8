import { ask } from "./api.ts";

/** Long work of the server. */
export interface Job {
  readonly id: string;
  readonly kind: "adapt" | "evaluate" | "export" | "migrate";
  readonly request: Readonly<Record<string, unknown>>;
  readonly created: string;
  readonly state: "waiting" | "running" | "done" | "failed" | "cancelled" | "interrupted";
  readonly message: string | null;
}

/** A folder of faces that jobs may read. */
export interface Folder {
  readonly name: string;
  readonly people: number;
}

/** What a line of progress says, as far as it says it. */
export interface Progress {
  readonly text: string;
  readonly share: number | undefined;
  /** Things a second. */
  readonly rate: string | undefined;
  readonly left: string | undefined;
  readonly loss: number | undefined;
}

export const isOver = ({ state }: Job): boolean => state !== "waiting" && state !== "running";

/** Reads a line such as `training 320/9,600 images  3 %  48/s  3:12 left  loss 0.412`. */
export function parseProgress(text: string): Progress {
  const number = (pattern: RegExp): number | undefined => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const percent = number(/(\d+) %/);
  return {
    text,
    share: percent === undefined ? undefined : percent / 100,
    rate: /([\d.,]+)\/s/.exec(text)?.[1],
    left: /([\d:]+) left/.exec(text)?.[1],
    loss: number(/loss (-?[\d.]+)/),
  };
}

/** Follows a job to its end. Returns how to stop following it. */
export function followJob(id: string, hear: (line: string) => void, changed: (state: string) => void): () => void {
  const source = new EventSource(`./v1/jobs/${encodeURIComponent(id)}/events`);
  const text = (event: Event): string => JSON.parse((event as MessageEvent<string>).data) as string;
  source.addEventListener("progress", (event) => hear(text(event)));
  source.addEventListener("state", (event) => {
    const state = text(event);
    if (state !== "waiting" && state !== "running") source.close();
    changed(state);
  });
  return () => source.close();
}

/** The jobs, newest first. */
export async function listJobs(): Promise<readonly Job[]> {
  const { jobs } = await ask<{ jobs: Job[] }>("GET", "jobs");
  return jobs.toSorted((one, other) => (one.created < other.created ? 1 : -1));
}

/** `29 November, 15:04`. */
export const timeOf = ({ created }: Pick<Job, "created">): string =>
  new Date(created).toLocaleString("en-GB", { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

/** A job in a few words. */
export function nameOf({ kind, request }: Job): string {
  if (kind === "adapt") return `Training on ${String(request.train)}`;
  if (kind === "evaluate")
    return `Measurement on ${String(request.data)}${request.run === undefined ? ", no adapter" : ""}`;
  return kind === "export" ? `Model for ${String(request.target ?? "onnx")}` : "Change of the gallery";
}
