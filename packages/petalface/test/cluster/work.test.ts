import { type ChildProcess, spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { surroundingsOf } from "../../src/api/surroundings.ts";
import { openServers, type QueueServer, statusOf } from "../../src/cluster/index.ts";
import { claim, extend, finish, giveBack, mostAttempts, submit, takeContents } from "../../src/cluster/work/queue.ts";
import { work as runWorker } from "../../src/cluster/work/run.ts";
import type { JobWork } from "../../src/cluster/work/types.ts";
import { unfinishedName } from "../../src/files.ts";
import { openGallery } from "../../src/gallery/index.ts";
import { random } from "../../src/random.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { ended, petalface, start } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { findPostgres, needsPostgres, needsVector, type PostgresServer, startPostgres } from "../support/postgres.ts";

const work: JobWork = { kind: "align", data: "faces", fingerprint: "", faces: 25, out: "out" };

describe.skipIf(findPostgres() === undefined)(`a queue in PostgreSQL (${needsPostgres})`, () => {
  let folder: string;
  let model: string;
  const running: PostgresServer[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-work-"));
    model = join(folder, "tiny.onnx");
    await writeTinyBackbone(model);
    running.push(await startPostgres(), await startPostgres());
  });
  afterAll(async () => {
    for (const server of running) await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A fresh database on each server. */
  const databases = async (): Promise<string[]> => {
    const all: string[] = [];
    for (const server of running) all.push(await server.createDatabase());
    return all;
  };
  async function withServers(use: (servers: readonly QueueServer[]) => Promise<void>): Promise<void> {
    const servers = await openServers(await databases());
    try {
      await use(servers);
    } finally {
      for (const server of servers) await server.close();
    }
  }

  it("gives each shard to one worker, extends and ends leases, and sets aside what fails too often", () =>
    withServers(async (servers) => {
      const job = await submit(servers, { id: "one", work }, 25, 4);
      expect(job.shards).toBe(7);
      await submit(servers, { id: "one", work }, 25, 4);
      const [first, second] = servers as [QueueServer, QueueServer];
      const claims = (await Promise.all(Array.from({ length: 6 }, (_, i) => claim(first, `w${i}`)))).filter(
        (each) => each !== undefined,
      );
      expect(claims.map(({ number }) => number).sort()).toEqual([0, 2, 4, 6]);
      expect(claims.find(({ number }) => number === 6)).toMatchObject({ start: 24, count: 1, attempt: 1 });
      const [one, two] = claims as [NonNullable<(typeof claims)[number]>, NonNullable<(typeof claims)[number]>];
      expect(await extend(one)).toBe(true);
      expect(await finish(one, { faces: 4 })).toBe(true);
      expect(await finish(one, { faces: 4 })).toBe(false);
      // A worker whose lease ended has lost its shard to the next one.
      expect(await extend(two, -1)).toBe(true);
      const again = await claim(first, "other");
      expect(again).toMatchObject({ number: two.number, attempt: 2 });
      expect(await extend(two)).toBe(false);
      expect(await finish(two, {})).toBe(false);
      if (again === undefined) throw new Error("no shard");
      await giveBack(again, "a bad picture");
      await first.query("UPDATE petalface_shard SET lease = '-infinity' WHERE state = 'WAITING'");
      const last = await claim(first, "third");
      expect(last).toMatchObject({ number: two.number, attempt: mostAttempts });
      if (last === undefined) throw new Error("no shard");
      await giveBack(last, "a bad picture");
      // The other server has the odd shards; one whose workers die each time is set aside too.
      for (let i = 0; i < mostAttempts; i++) {
        const dying = await claim(second, `dying ${i}`);
        if (dying === undefined) throw new Error("no shard");
        await second.query("UPDATE petalface_shard SET lease = '-infinity' WHERE number = $1", [dying.number]);
        if (i === 0) await second.query("UPDATE petalface_shard SET state = 'DONE' WHERE number <> $1", [dying.number]);
      }
      expect(await claim(second, "none")).toBeUndefined();
      const [status] = await statusOf(servers);
      expect(status?.aside).toEqual(
        expect.arrayContaining([
          { number: two.number, start: 4 * two.number, count: expect.any(Number), problem: "a bad picture" },
          { number: 1, start: 4, count: 4, problem: "its workers died" },
        ]),
      );
      expect(status).toMatchObject({ id: "one", shards: 7, done: 3, running: 2, waiting: 0 });
    }));

  it("gives a content to the first place that asks, across servers, and again to the same", () =>
    withServers(async (servers) => {
      const job = await submit(servers, { id: "contents", work }, 40, 10);
      const hash = (value: number): Buffer => Buffer.from([value, 1, 2, 3]);
      const asked = [1, 2, 1, 4].map(hash);
      const [left, right] = await Promise.all([
        takeContents(servers, { job, number: 0 }, asked),
        takeContents(servers, { job, number: 1 }, [4, 5, 2].map(hash)),
      ]);
      const places = new Map<string, string>();
      for (const [number, hashes, owners] of [
        [0, [1, 2, 1, 4], left],
        [1, [4, 5, 2], right],
      ] as const)
        hashes.forEach((value, place) => {
          const owner = JSON.stringify(owners[place]);
          expect(places.get(String(value)) ?? owner).toBe(owner);
          places.set(String(value), owner);
          expect(number).toBeLessThan(2);
        });
      expect(left[0]).toEqual(left[2]);
      expect(await takeContents(servers, { job, number: 0 }, asked)).toEqual(left);
    }));

  it("embeds each face once on two servers with four workers, workers and a server killed at random", async () => {
    const root = join(folder, "faces");
    await writeFaces(root, 90);
    const urls = await databases();
    const queue = urls.flatMap((url) => ["--queue", url]);
    const out = join(folder, "embedded");
    const submitted = await petalface([
      ...["work", "submit", "embed", ...queue, "--images", root, "--model", model, "--out", out],
      ...["--shard-size", "5", "--json"],
    ]);
    expect(submitted.stderr).toBe("");
    expect(JSON.parse(submitted.stdout)).toMatchObject({ shards: 20, work: { faces: 99 } });
    const stream = random("kills", 1);
    const begin = (): ChildProcess =>
      start(["work", ...queue, "--until-empty", "--threads", "1", "--lease", "3", "--quiet"], {});
    const workers = Array.from({ length: 4 }, () => begin());
    const ends = workers.map((worker) => ended(worker));
    for (let kill = 0; kill < 5; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 1500 + 1000 * stream.uniform()));
      if (kill === 2) await running[1]?.restart();
      else {
        const at = stream.int(4);
        workers[at]?.kill("SIGKILL");
        await ends[at];
        workers[at] = begin();
        ends[at] = ended(workers[at]);
      }
    }
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ code: 0, stderr: "" });
    const status = await petalface(["work", "status", ...queue, "--json"]);
    expect(JSON.parse(status.stdout).jobs).toMatchObject([{ shards: 20, done: 20, aside: [], contents: 90 }]);
    expect(status.code).toBe(0);
    const ids: string[] = [];
    const duplicates: string[] = [];
    for (const name of await readdir(out)) {
      const { tensors, metadata } = await readSafetensors(join(out, name));
      const own = JSON.parse(metadata.get("ids") ?? "[]") as string[];
      expect(tensors.get("embeddings")?.shape).toEqual([own.length, 6]);
      ids.push(...own);
      duplicates.push(...Object.keys(JSON.parse(metadata.get("duplicates") ?? "{}")));
    }
    expect(ids).toHaveLength(90);
    expect(new Set(ids).size).toBe(90);
    // Nine pictures are there twice under two names: one of each is embedded.
    expect(duplicates).toHaveLength(9);
    expect(new Set([...ids, ...duplicates]).size).toBe(99);
  });

  it.skipIf(findPostgres()?.vector !== true)(
    `moves a gallery to another model as gallery migrate does, while a worker is killed (${needsVector})`,
    async () => {
      const root = join(folder, "enrolled");
      await writeFaces(root, 40);
      const next = join(folder, "next.onnx");
      await writeTinyBackbone(next, 2);
      const [queue = "", other = ""] = await databases();
      const [one, two] = [`${other}?gallery=one`, `${other}?gallery=two`];
      const range = ["--alpha-range", "0,4"];
      for (const gallery of [one, two]) {
        const create = ["gallery", "create", gallery, "--model", model, "--copies", "8", "--keep-crops", ...range];
        expect(await petalface(create)).toMatchObject({ code: 0 });
        const add = [
          "gallery",
          "add",
          gallery,
          root,
          "--min-alpha",
          "0",
          "--min-side",
          "8",
          "--force",
          "--aligned",
          "yes",
        ];
        expect(await petalface(add)).toMatchObject({ code: 0 });
      }
      const submit = ["work", "submit", "migrate", "--queue", queue, "--gallery", two, "--model", next, ...range];
      const submitted = JSON.parse((await petalface([...submit, "--shard-size", "4", "--json"])).stdout);
      // By ids: pictures that are there already have taken some.
      const { shards, work } = submitted;
      expect(work.faces).toBeGreaterThanOrEqual(40);
      expect(shards).toBe(Math.ceil(work.faces / 4));
      const begin = () =>
        start(["work", "--queue", queue, "--until-empty", "--threads", "1", "--lease", "3", "--quiet"]);
      const [dying, living] = [begin(), begin()];
      const ends = [ended(dying), ended(living)];
      const done = async (): Promise<number> => {
        const { jobs } = JSON.parse((await petalface(["work", "status", "--queue", queue, "--json"])).stdout);
        return jobs[0].done;
      };
      while ((await done()) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
      dying.kill("SIGKILL");
      expect((await ends[1])?.stderr).toBe("");
      expect(await done()).toBe(shards);
      expect(await petalface(["gallery", "migrate", one, "--model", next, ...range])).toMatchObject({ code: 0 });
      const contentOf = async (gallery: string) => {
        await using store = await openGallery(gallery);
        const [record, vectors, problems] = [await store.record(), await store.vectors(), await store.check()];
        return { space: record.space, calibration: record.calibration, ...vectors, problems };
      };
      const content = await contentOf(two);
      expect(content.problems).toEqual([]);
      expect(content.faces).toHaveLength(40);
      expect(content).toEqual(await contentOf(one));
      // To the model that it has already: nothing is done, and the gallery stays whole.
      expect(await petalface([...submit, "--shard-size", "4"])).toMatchObject({ code: 0 });
      expect(await petalface(["work", "--queue", queue, "--until-empty", "--threads", "1"])).toMatchObject({ code: 0 });
      expect(await contentOf(two)).toEqual(content);
    },
  );

  it("sets a poison shard aside by name, and lets it be tried again", async () => {
    const root = join(folder, "few");
    await writeFaces(root, 6);
    const [queue = ""] = await databases();
    const out = join(folder, "scores");
    const command = ["work", "submit", "quality", "--queue", queue, "--images", root, "--metric", "sharpness"];
    const job = JSON.parse(
      (await petalface([...command, "--model", model, "--out", out, "--shard-size", "4", "--json"])).stdout,
    );
    // A folder where the second shard's file should be.
    await mkdir(join(out, "shard-000001.jsonl", "in the way"), { recursive: true });
    const worker = await petalface(["work", "--queue", queue, "--until-empty", "--threads", "1", "--json"]);
    expect(JSON.parse(worker.stdout)).toMatchObject({ shards: 1, failed: mostAttempts });
    const status = await petalface(["work", "status", "--queue", queue]);
    expect(status.code).toBe(1);
    expect(status.stdout.replaceAll("\n", " ")).toMatch(/shard 1 \(faces 4 to \d+\) was set aside: .*shard-000001/);
    await rm(join(out, "shard-000001.jsonl"), { recursive: true });
    expect((await petalface(["work", "retry", job.id, "--queue", queue])).stdout).toContain("1 shards");
    expect((await petalface(["work", "--queue", queue, "--until-empty", "--threads", "1", "--json"])).code).toBe(0);
    const lines = await Promise.all(["0", "1"].map((at) => readFile(join(out, `shard-00000${at}.jsonl`), "utf8")));
    expect(lines.join("").trim().split("\n")).toHaveLength(6);
    expect((await petalface(["work", "remove", job.id, "--queue", queue])).code).toBe(0);
    expect((await petalface(["work", "status", "--queue", queue])).stdout).toContain("no jobs");
  });

  it("removes what a killed worker left, where a shard is tried again", async () => {
    const root = join(folder, "tried");
    await writeFaces(root, 6);
    const [queue = ""] = await databases();
    const out = join(folder, "tried scores");
    const command = ["work", "submit", "quality", "--queue", queue, "--images", root, "--metric", "sharpness"];
    expect((await petalface([...command, "--model", model, "--out", out])).code).toBe(0);
    const file = join(out, "shard-000000.jsonl");
    await mkdir(file, { recursive: true });
    const { pid } = spawnSync(process.execPath, ["--eval", ""]);
    const left = join(out, unfinishedName().replace(`-${process.pid}-`, `-${pid}-`));
    const servers = await openServers([queue]);
    try {
      const done = await runWorker(
        servers,
        { threads: 1, untilEmpty: true },
        surroundingsOf({
          // The first try has failed; nothing is in the way of the second one.
          onNote(line) {
            if (!line.includes("(try 1)")) return;
            rmSync(file, { recursive: true });
            writeFileSync(left, "");
          },
        }),
      );
      expect(done).toEqual({ shards: 1, faces: 6, failed: 1 });
    } finally {
      for (const server of servers) await server.close();
    }
    expect(await readdir(out)).toEqual(["shard-000000.jsonl"]);
  });

  it("refuses wrong usage in one line, and shows no password", async () => {
    const usage = async (...args: string[]) => {
      const { code, stderr } = await petalface(["work", ...args]);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await usage()).toMatch(/--queue/);
    expect(await usage("--queue", "mysql://me:secret@host/db")).toMatch(
      /^petalface: a queue is at postgres.*mysql:\/\/me@host/,
    );
    const queue = ["--queue", "postgres://me:secret@127.0.0.1:1/none"];
    expect(await usage("submit", "bake", "--images", "x", ...queue)).toContain('not "bake"');
    expect(await usage("submit", "embed", "--images", "x", ...queue)).toContain("needs --model");
    expect(await usage("submit", "align", "--images", "x", "--out", "y", "--model", "m", ...queue)).toContain(
      "takes no --model",
    );
    const down = await petalface(["work", "status", ...queue]);
    expect(down.code).toBe(1);
    expect(down.stderr).toMatch(/^petalface: postgres:\/\/me@127\.0\.0\.1:1\/none cannot be reached/);
    expect(down.stderr).not.toContain("secret");
  });
});

/** Different pictures, and a second name for every tenth of them. */
async function writeFaces(root: string, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const person = join(root, `p${Math.floor(at / 6)}`);
    await mkdir(person, { recursive: true });
    const data = Buffer.from(Uint8Array.from({ length: 768 }, (_, i) => (i * (31 + at) + at * at) & 255));
    const png = await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(person, `${at}.png`), png);
    if (at % 10 === 9) await writeFile(join(person, `${at} again.png`), png);
  }
}
