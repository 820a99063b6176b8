import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blockFaces, codeFaces, storeBlock } from "../../src/gallery/codes.ts";
import { createGallery, type NewFace, openGallery } from "../../src/gallery/index.ts";
import { random } from "../../src/random.ts";
import { testProgram } from "../cli/process.ts";
import { temporaryFolder } from "../support/folder.ts";
import { embeddingBy, facesOfPerson, meanOf, plainSettings, recordOf, width } from "./fixtures.ts";

const [adder, indexer] = [testProgram("adder"), testProgram("indexer")];
const folder = temporaryFolder("petalface-gallery-kill-");

/** Starts a process that changes a gallery as soon as it reads the file's name. */
const prepare = (seed: string, program = adder) =>
  spawn(process.execPath, [program, seed], { stdio: ["pipe", "pipe", "inherit"] });

/**
 * Lets a process change a gallery, and kills it some milliseconds after a number of lines. Returns
 * its lines.
 */
async function killAfter(
  child: ReturnType<typeof prepare>,
  path: string,
  lines: number,
  delay: number,
): Promise<string[]> {
  let text = "";
  child.stdin.write(`${path}\n`);
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      // Some time later, so that it dies anywhere within a step.
      if (text.split("\n").length > lines) setTimeout(() => child.kill("SIGKILL"), delay);
    });
    child.on("close", () => resolve());
  });
  expect(child.signalCode).toBe("SIGKILL");
  return text.split("\n").slice(0, -1);
}

/** What a gallery should hold. */
interface State {
  readonly people: ReadonlySet<string>;
  readonly model: string;
}

function after({ people, model }: State, line: string): State {
  const [, kind = "", name = ""] = line.split(" ");
  if (kind === "migrate") return { people, model: name };
  return { model, people: new Set(kind === "add" ? [...people, name] : [...people].filter((each) => each !== name)) };
}

/**
 * Kills a process that changes a gallery `rounds` times, and looks each time whether the gallery
 * holds what it said.
 */
async function survives(path: string, rounds: number, mostLines: number, mostDelay: number, crowd: readonly NewFace[]) {
  let state: State = { people: new Set(), model: "model" };
  const stream = random("kill", path.slice(-8));
  const kinds = new Set<string>();
  // The next process starts while this one is looked at.
  let next = prepare("0");
  for (let round = 0; round < rounds; round++) {
    const child = next;
    next = prepare(`${round + 1}`);
    const lines = await killAfter(child, path, 1 + stream.int(mostLines), stream.int(mostDelay));
    for (const line of lines) if (line.startsWith("!")) state = after(state, line);
    const last = lines.at(-1) ?? "";
    const begun = last.startsWith("?") ? after(state, last) : state;
    if (last.startsWith("?")) kinds.add(last.split(" ")[1]);
    await using store = await openGallery(path);
    expect(await store.check()).toEqual([]);
    const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
    const held: State = {
      people: new Set([...names.values()].filter((name) => name !== "crowd")),
      model: (await store.record()).space.model,
    };
    // Exactly what was acknowledged, or that and the step that was under way.
    expect([state, begun]).toContainEqual(held);
    state = held;
    const vectors = await store.vectors();
    const wanted = [...held.people].flatMap((name) => facesOfPerson(name, held.model));
    const seen = new Map([...wanted, ...crowd].map(({ source }) => [Buffer.from(source).toString("hex"), source]));
    const faces = await store.faces();
    expect(faces.length).toBe(seen.size);
    faces.forEach(({ source }, at) => {
      const { vector } = embeddingBy(seen.get(Buffer.from(source).toString("hex")) as Uint8Array, held.model);
      expect(Buffer.from(vectors.vectors.buffer).subarray(4 * at * width, 4 * (at + 1) * width)).toEqual(
        Buffer.from(vector.buffer),
      );
    });
    // What is searched in is the same faces.
    const [coded, right] = [storeBlock(await store.codes()), storeBlock(codeFaces(vectors))];
    expect(Buffer.compare(coded.sharp, right.sharp) + Math.abs(Buffer.compare(coded.copies, right.copies))).toBe(0);
    await store.close();
    expect((await readdir(folder)).filter((name) => name.startsWith(path.slice(-8)))).toEqual([path.slice(-8)]);
  }
  next.kill("SIGKILL");
  return kinds;
}

test("a process killed at 40 moments leaves exactly what it acknowledged, or one step more", async () => {
  const path = join(folder, "small.db");
  await createGallery(path, recordOf(), plainSettings);
  const kinds = await survives(path, 40, 30, 40, []);
  expect(kinds).toContain("add");
});

test("so it does at 10 moments in a gallery with blocks of faces", async () => {
  const path = join(folder, "large.db");
  await createGallery(path, recordOf(), plainSettings);
  const crowd = Array.from({ length: 2 * blockFaces }, (_, number): NewFace => {
    const source = new Uint8Array(16);
    new DataView(source.buffer).setUint32(0, number);
    return { ...embeddingBy(source, "model"), source, picture: new Uint8Array(32) };
  });
  {
    await using store = await openGallery(path);
    await store.add("crowd", crowd);
  }
  await survives(path, 10, 12, 400, crowd);
});

test("a process killed at 8 moments while it builds the index leaves an index that answers", async () => {
  const name = "index.db";
  const path = join(folder, name);
  await createGallery(path, recordOf(), plainSettings);
  await using store = await openGallery(path);
  await store.addAll(
    Array.from({ length: 200 }, (_, person) => ({
      person: `p${person}`,
      faces: facesOfPerson(`p${person}`, "model"),
    })),
  );
  await store.buildIndex();
  const unit = meanOf("p7");
  const [id] = (await store.ids(["p7"])).values();
  const stream = random("kill", name);
  for (let round = 0; round < 8; round++) {
    await killAfter(prepare(`${round}`, indexer), path, 1 + stream.int(3), stream.int(30));
    expect(await store.check()).toEqual([]);
    await using other = await openGallery(path);
    for (const each of [store, other])
      expect((await each.nearest(unit, "faces", 10)).map(({ person }) => person)).toContain(id);
  }
  // What the killed ones left goes with the next build.
  await store.buildIndex();
  const files = (await readdir(folder)).filter((file) => file.startsWith(`${name}.index-`));
  expect(files.map((file) => file.replace(/index-\w+-/, "")).sort()).toEqual([`${name}.copies`, `${name}.faces`]);
});
