import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { surroundingsOf } from "../../src/api/surroundings.ts";
import { openDecider } from "../../src/cli/commands/watch/decider.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { createGallery, openGallery, openServedStore } from "../../src/gallery/index.ts";
import type { Pixels } from "../../src/images/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { type Decided, type SeenFace, trackerRules, type WatchEvent, watch } from "../../src/watch/index.ts";
import { faceOf, plainSettings, recordOf, width } from "../gallery/fixtures.ts";
import { holdLock } from "../gallery/lock-holder.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-watch-");
const pixels = {} as Pixels;

/** A face that stands still, as the enrolled one of that name. */
function seen(name: string, at: number): SeenFace {
  const { vector, copies } = faceOf(name);
  const points = [
    [at, 0],
    [at, 0],
    [at, 0],
    [at, 0],
    [at, 0],
  ] as const;
  const unit = normaliseRows(vector, width);
  return { box: [at, 0, at + 50, 50], points, confidence: 0.9, unit, vector, copies, alpha: 1, score: null };
}

/** Frames that are taken as fast as they are asked for, and how many were. */
function camera(count: number) {
  const taken = { frames: 0 };
  async function* frames() {
    for (let number = 0; number < count; number++) {
      taken.frames++;
      yield { pixels, number, time: number / 5 };
      await turn();
    }
  }
  return { taken, frames };
}

const decided: Decided = {
  ...{ decision: "match", reason: null, person: "Ada", cosine: 0.9, threshold: 0.3 },
  ...{ falseAcceptRate: null, alpha: 1 },
};
const options = { camera: "door", rules: trackerRules, enough: 3, least: 2 };

test("frames are taken while a decision waits, and events come in their order", async () => {
  const { taken, frames } = camera(30);
  let answer: (found: Decided) => void = () => {};
  const late = new Promise<Decided>((resolve) => {
    answer = resolve;
  });
  const events: WatchEvent[] = [];
  let decisions = 0;
  const watching = watch(frames(), {
    ...options,
    see: async () => [seen("a", 0), seen("b", 200)],
    decide: () => (decisions++ === 0 ? late : Promise.resolve(decided)),
    onEvent: (event) => void events.push(event),
  });
  while (taken.frames < 30) await turn();
  expect([events.length, decisions]).toEqual([0, 1]);
  answer(decided);
  expect(await watching).toEqual({ frames: 30, tracks: 2, matches: 2 });
  expect(events.map(({ type, track, frames: count }) => [type, track, count])).toEqual([
    ["decided", 1, 3],
    ["decided", 2, 3],
    ["left", 1, 30],
    ["left", 2, 30],
  ]);
});

test("a decision that fails ends the watch with its error", async () => {
  const { taken, frames } = camera(1000);
  const watching = watch(frames(), {
    ...options,
    see: async () => [seen("a", 0)],
    decide: () => Promise.reject(new PetalfaceError("PETAL_SERVER_FAILED", "the server refuses")),
    onEvent: () => undefined,
  });
  await expect(watching).rejects.toThrow("the server refuses");
  expect(taken.frames).toBeLessThan(1000);
});

async function makeGallery(name: string): Promise<string> {
  const path = join(folder, name);
  await createGallery(path, recordOf(), { ...plainSettings, copies: [] });
  await using store = await openGallery(path);
  await store.addAll(["a", "b", "c", "d"].map((person) => ({ person, faces: [faceOf(person)] })));
  return path;
}

const rules = { threshold: 0.9, rate: 0.01, margin: 0, minAlpha: 0, templates: "mean" } as const;
const open = { patience: 1000, onLost: () => undefined };

test.each(["IMMEDIATE", "EXCLUSIVE"] as const)(
  "while another process holds the gallery's lock (BEGIN %s), faces are known as before",
  async (kind) => {
    const path = await makeGallery(`${kind}.db`);
    await using store = await openServedStore(path, open);
    await using decider = await openDecider(store, { threads: 1 }, rules, surroundingsOf({}));
    const lock = await holdLock(path, kind);
    try {
      const { frames } = camera(20);
      const events: WatchEvent[] = [];
      await watch(frames(), {
        ...options,
        see: async () => [seen("a", 0), seen("c", 200)],
        decide: (track) => decider.decide(track),
        onEvent: (event) => void events.push(event),
      });
      expect(events.map(({ type, person }) => [type, person])).toEqual([
        ["decided", "a"],
        ["decided", "c"],
        ["left", "a"],
        ["left", "c"],
      ]);
    } finally {
      await lock.release();
    }
  },
);

test("a gallery that cannot be read for a while leaves faces unusable, and is asked again", async () => {
  const path = await makeGallery("away.db");
  await using store = await openServedStore(path, open);
  let isAway = false;
  const away = {
    ...store,
    version: async () => {
      if (isAway) throw new PetalfaceError("PETAL_BUSY", "people.db is being written by another process");
      return await store.version();
    },
  };
  await using decider = await openDecider(away, { threads: 1 }, rules, surroundingsOf({}));
  const track = { unit: seen("b", 0).unit, alpha: 1, used: [0] };
  expect(await decider.decide(track)).toMatchObject({ decision: "match", person: "b" });
  isAway = true;
  expect(await decider.decide(track)).toEqual({
    ...{ decision: "unusable", person: null, cosine: null, threshold: null, falseAcceptRate: null, alpha: 1 },
    reason: "the gallery cannot be read now: people.db is being written by another process",
  });
  isAway = false;
  expect(await decider.decide(track)).toMatchObject({ decision: "match", person: "b" });
});

test("opening a gallery that another process keeps for itself does not stop this thread", async () => {
  const path = await makeGallery("own.db");
  const program = `
    const { DatabaseSync } = require("node:sqlite");
    const database = new DatabaseSync(process.argv[1]);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    process.stdout.write("locked");
    process.stdin.on("end", () => database.close()).resume();
  `;
  const child = spawn(process.execPath, ["-e", program, path], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  let turns = 0;
  const opening = openServedStore(path, open).then(
    () => "opened",
    (error: Error) => error.message,
  );
  let ended: string | undefined;
  void opening.then((how) => {
    ended = how;
  });
  for (; ended === undefined; turns++) await turn();
  child.stdin.end();
  await exited;
  expect(ended).toContain("is being written by another process");
  // SQLite waits for a second; in this thread nothing else would have its turn meanwhile.
  expect(turns).toBeGreaterThan(10);
  await using store = await openServedStore(path, open);
  expect(await store.count()).toBe(4);
});
