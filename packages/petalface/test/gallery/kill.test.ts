import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGallery, openGallery } from "../../src/gallery/index.ts";
import { random } from "../../src/random.ts";
import { faceOf, plainSettings, recordOf, width } from "./fixtures.ts";

const adder = fileURLToPath(new URL("./adder.ts", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-gallery-kill-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Lets a process add and remove people until it has acknowledged some, then kills it. Returns the acknowledgements. */
async function killAfter(path: string, acknowledgements: number, delay: number): Promise<string[]> {
  const child = spawn(process.execPath, [adder, path], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      // Some time later, so that it dies anywhere within a transaction.
      if (text.split("\n").length > acknowledgements) setTimeout(() => child.kill("SIGKILL"), delay);
    });
    child.on("close", () => resolve());
  });
  expect(child.signalCode).toBe("SIGKILL");
  return text.split("\n").slice(0, -1);
}

test("a process killed while it adds and removes leaves exactly what it acknowledged, or one step more", async () => {
  const stream = random("kill");
  for (let round = 0; round < 6; round++) {
    const path = join(folder, `${round}.db`);
    await createGallery(path, recordOf(), plainSettings);
    const said = await killAfter(path, 1 + stream.int(30), stream.int(40));
    await using store = await openGallery(path);
    expect(await store.check()).toEqual([]);
    const held = (await store.people()).map(({ name, faces }) => `${name} ${faces}`).sort();
    // What each step leads to: the acknowledged ones, and the one that may have been under way.
    const states = [said.length, said.length + 1].map((steps) => {
      const people = new Set<number>();
      for (let at = 0; at < steps; at++) {
        if (at % 5 === 4) people.delete(at - 2);
        else people.add(at);
      }
      return [...people].map((person) => `person ${person} 3`).sort();
    });
    expect(states).toContainEqual(held);
    const vectors = await store.vectors();
    const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
    const seen = new Map<string, number>();
    vectors.people.forEach((person, at) => {
      const name = names.get(person) ?? "";
      const number = seen.get(name) ?? 0;
      seen.set(name, number + 1);
      const { vector } = faceOf(`${name}/${number}`);
      expect(vectors.vectors.subarray(at * width, (at + 1) * width)).toEqual(vector);
    });
    // And it can be gone on with.
    expect(await store.add("after", [faceOf("after")])).toBe(1);
    await store.close();
    expect((await readdir(folder)).filter((name) => name.startsWith(`${round}.db`))).toEqual([`${round}.db`]);
  }
});
