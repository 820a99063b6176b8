import type { ChildProcess } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ended, petalface, petalfaceProcess, start } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { mpiLaunchers, runRanks } from "../support/mpi.ts";
import { findPostgres, needsVector, type PostgresServer, startPostgres } from "../support/postgres.ts";

/** The commands of a page in their order, each in one line. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(new URL(`../../../../docs/${page}`, import.meta.url), "utf8");
  const fenced = /^```\w*\n(.*?)^```$/gms;
  const blocks = [...text.matchAll(fenced)].map(([, block]) => block ?? "");
  const rest = text.replaceAll(fenced, "").split("\n");
  const indented = rest.filter((line) => /^ {4,}\S/.test(line));
  return [...blocks, ...indented]
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^(petalface|mpirun|srun) /.test(line));
}

const [launcher] = mpiLaunchers;
const absent = launcher === undefined || findPostgres()?.vector !== true;

describe.skipIf(absent)(`docs/many-machines.md on two ranks and two servers (needs mpirun; ${needsVector})`, () => {
  let folder: string;
  const servers: PostgresServer[] = [];
  const places = new Map<string, string>();
  beforeAll(async () => {
    if (absent) return;
    folder = await mkdtemp(join(tmpdir(), "petalface-many-"));
    servers.push(await startPostgres(), await startPostgres());
    await writeTinyBackbone(join(folder, "tiny.onnx"));
    const packed = join(folder, "train.rec");
    for (const args of [
      ["data", "pack", "synthetic:people=6,images=4,seed=5", "--out", packed, "--size", "32"],
      ["data", "unpack", packed, "--out", join(folder, "faces")],
    ])
      expect(await petalface(args)).toMatchObject({ code: 0 });
    const [person = ""] = await readdir(join(folder, "faces"));
    const [photo = ""] = await readdir(join(folder, "faces", person));
    // What the page calls these things, and what they are here.
    for (const [name, place] of [
      ["fr_feature", join(folder, "tiny.onnx")],
      ["faces", join(folder, "faces")],
      ["/data/faces", join(folder, "faces")],
      ["/data/embeddings", join(folder, "embeddings")],
      ["photo.jpg", join(folder, "faces", person, photo)],
      ["runs/large", join(folder, "run")],
      ["postgres://petalface@db1/jobs", await servers[0].createDatabase()],
      ["postgres://petalface@db1/faces", await servers[0].createDatabase()],
      ["postgres://petalface@db2/faces", await servers[1].createDatabase()],
    ] as const)
      places.set(name, place);
  });
  afterAll(async () => {
    if (absent) return;
    for (const server of servers) await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Ends a worker that waits for more once all shards of the queue are done. */
  async function endWhenDone(worker: ChildProcess): Promise<{ readonly code: number | null }> {
    const end = ended(worker);
    const queue = places.get("postgres://petalface@db1/jobs") as string;
    for (;;) {
      const { stdout } = await petalface(["work", "status", "--queue", queue, "--json"]);
      const jobs = JSON.parse(stdout).jobs as { readonly shards: number; readonly done: number }[];
      if (jobs.every(({ shards, done }) => shards === done)) break;
      if (worker.exitCode !== null) throw new Error(`the worker ended: ${(await end).stderr}`);
      await sleep(200);
    }
    worker.kill("SIGINT");
    return await end;
  }

  it("each of its commands does what the page says", async () => {
    const done: string[] = [];
    for (const line of await commandsOf("many-machines.md")) {
      const words = line.split(/\s+/).map((word) => places.get(word) ?? word);
      const args = words.slice(words.indexOf("petalface") + 1);
      // The tiny model's input has 16 px, less than most faces that adapt shrinks.
      if (args[0] === "adapt" && !args.includes("--resume")) args.push("--lr-pixels", "4,6", "--aligned", "yes");
      // Faces of 32 px are not what the default rules of a gallery are for.
      if (args[0] === "gallery" && args[1] === "add") args.push("--min-alpha", "0", "--min-side", "16", "--force");
      if (args[0] === "gallery" && args[1] !== "create") args.push("--aligned", "yes");
      if (words[0] === "mpirun") {
        const { code, stderr } = await runRanks(launcher, 2, args);
        expect(code, `${line}: ${stderr}`).toBe(0);
        expect(stderr).toContain(args.includes("--resume") ? "2 processes" : "2 processes on 1 machine train together");
      } else if (args[0] === "work" && args[1] === "--queue" && !args.includes("--until-empty"))
        expect((await endWhenDone(start(args))).code, line).toBe(130);
      else {
        const { code, stderr, stdout } = await petalfaceProcess(args);
        expect(code, `${line}: ${stderr}`).toBe(0);
        done.push(`${args.slice(0, 2).join(" ")}: ${stdout}`);
      }
    }
    expect(await readdir(join(folder, "run"))).toContain("adapter");
    expect((await readdir(join(folder, "embeddings"))).length).toBeGreaterThan(0);
    const said = done.join("\n");
    expect(said).toMatch(/work submit: job \w+: 24 faces in \d+ shards/);
    expect(said).toMatch(/gallery add: 24 faces enrolled/);
    expect(said.match(/gallery search: .*photo|gallery search: .*\.(png|jpg)/g)).toHaveLength(2);
  });
});
