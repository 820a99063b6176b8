import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { keepYoungGeneration, returnFreedMemory } from "../../../allocator.ts";
import {
  type JobStatus,
  type JobWork,
  jobKinds,
  openServers,
  type QueueServer,
  removeJob,
  retryAside,
  type Submission,
  statusOf,
  submitJob,
  work,
} from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { numberList } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";

interface Flags {
  readonly queue?: string[];
  readonly untilEmpty?: boolean;
  readonly threads?: number;
  readonly lease?: number;
}

type SubmitFlags = Omit<Submission, "kind">;

/** `petalface work`: one of many workers, and the jobs that they share. */
export function workCommand(program: Command, context: CliContext): void {
  const command = program
    .command("work")
    .description("take shards of bulk jobs from a queue in PostgreSQL; submit jobs and show how they stand")
    .option(
      "--queue <postgres://...>",
      "a server of the queue; give it again for each further server",
      (url, all: string[] = []) => [...all, url],
    )
    .option("--until-empty", "end once nothing is left to do, instead of waiting for more")
    .option("--threads <n>", "threads of this worker (default: all cores)", parseInteger("--threads", 1, 1024))
    .option(
      "--lease <seconds>",
      "time after which a shard of a dead worker is taken by another (default 30)",
      parseInteger("--lease", 2, 86_400),
    )
    .action(async (flags: Flags) => {
      await using servers = await openQueue(flags);
      const { threads = availableParallelism(), untilEmpty = false, lease } = flags;
      keepYoungGeneration();
      await returnFreedMemory();
      const done = await work(servers.all, { threads, untilEmpty, lease }, context);
      context.result(done, `${done.shards} shards, ${done.faces} faces done here; ${done.failed} shards given back`);
    });
  const flagsOf = (own: Command): Flags => own.optsWithGlobals() as Flags;

  command
    .command("submit")
    .description("divide a job into shards and put them into the queue")
    .argument("<kind>", jobKinds.join(", "))
    .option(
      "--images <data>",
      "the faces: a folder, a manifest, a .rec, or synthetic:...; workers need the same path " +
        "(migrate: pictures that the gallery does not keep)",
    )
    .option("--model <file|name>", "the face recogniser (embed, quality, migrate)")
    .option("--adapter <run>", "a run, or its adapter folder (embed, migrate)")
    .option("--metric <name>", "quality measure (quality)")
    .option("--out <folder>", "folder of the results, the same on every machine (embed, quality, align)")
    .option("--gallery <postgres://...>", "the gallery (enrol, migrate)")
    .option(
      "--alpha-range <low,high>",
      "scores of `sharpness` at which alpha is 0 and 1, where no adapter says it (migrate)",
      numberList,
    )
    .option("--shard-size <n>", "faces of a shard", parseInteger("--shard-size", 1, 1_000_000), 1000)
    .action(async (kind: string, flags: SubmitFlags, own: Command) => {
      await using servers = await openQueue(flagsOf(own));
      const job = await submitJob(servers.all, { ...flags, kind: kindOf(kind) }, context);
      context.result(job, `job ${job.id}: ${job.work.faces} faces in ${job.shards} shards`);
    });

  command
    .command("status")
    .description("show how each job stands; exit code 1 if shards were set aside")
    .action(async (_: object, own: Command) => {
      await using servers = await openQueue(flagsOf(own));
      const jobs = await statusOf(servers.all);
      context.result({ jobs }, printJobs(jobs));
      if (jobs.some(({ aside }) => aside.length > 0)) context.exitCode = 1;
    });

  command
    .command("retry")
    .description("let the shards of a job that were set aside be tried again")
    .argument("<job>", "its id")
    .action(async (job: string, _: object, own: Command) => {
      await using servers = await openQueue(flagsOf(own));
      const shards = await retryAside(servers.all, job);
      context.result({ job, shards }, `${shards} shards of job ${job} wait again`);
    });

  command
    .command("remove")
    .description("delete a job from the queue; results that were written stay")
    .argument("<job>", "its id")
    .action(async (job: string, _: object, own: Command) => {
      await using servers = await openQueue(flagsOf(own));
      if (!(await removeJob(servers.all, job)))
        throw new PetalfaceError("PETAL_JOB_MISSING", `there is no job ${job} in this queue`);
      context.result({ job }, `removed job ${job}`);
    });

  withExamples(
    command,
    "work submit embed --queue postgres://petalface@db1/jobs --model fr_feature --images faces --out embeddings",
    "work --queue postgres://petalface@db1/jobs",
    "work status --queue postgres://petalface@db1/jobs",
  );
}

/** The servers that `--queue` names. A server that does not answer is an error of one line. */
async function openQueue({ queue = [] }: Flags): Promise<AsyncDisposable & { readonly all: readonly QueueServer[] }> {
  if (queue.length === 0)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give the queue with --queue postgres://user@host/database");
  const all = await openServers(queue);
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const server of all) await server.close();
    },
  };
}

function kindOf(text: string): JobWork["kind"] {
  const kind = jobKinds.find((each) => each === text);
  if (kind === undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `a job is ${jobKinds.join(", ")}, not ${JSON.stringify(text)}`);
  return kind;
}

function printJobs(jobs: readonly JobStatus[]): string {
  if (jobs.length === 0) return "no jobs";
  const rows = jobs.map(({ id, work: { kind, data }, shards, waiting, running, done, aside }) => [
    ...[id, kind, data],
    ...[shards, waiting, running, done, aside.length].map(String),
  ]);
  const lines = jobs.flatMap(({ id, aside }) =>
    aside.map(
      ({ number, start, count, problem }) =>
        `job ${id}: shard ${number} (faces ${start} to ${start + count - 1}) was set aside: ${problem}`,
    ),
  );
  const head = ["JOB", "KIND", "IMAGES", "SHARDS", "WAITING", "RUNNING", "DONE", "ASIDE"];
  return [plainTable([head, ...rows]), ...lines].join("\n");
}
