import { existsSync, readdirSync } from "node:fs";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const [aligned, photos] = [join(shared, "data/lfw112"), join(shared, "data/lfw250_sample")];
const model = join(shared, "weights/mobilefacenet.onnx");
const absent = ![aligned, photos, model].every((place) => existsSync(place));
const folder = temporaryFolder("petalface-faces-");

async function json(...args: string[]) {
  const { code, stdout, stderr } = await petalface(["gallery", ...args, "--json"]);
  return { code, stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
}

/** People with at least so many files in a folder, in the order of their names. */
const peopleWith = (place: string, files: number): string[] =>
  readdirSync(place).filter((name) => readdirSync(join(place, name)).length >= files);

describe.skipIf(absent)("a gallery of real faces (needs PETALFACE_SHARED)", () => {
  test("the gate finds a face under a wrong name, and one that is enrolled as somebody else", async () => {
    const people = peopleWith(aligned, 4).slice(0, 30);
    const set = join(folder, "set");
    for (const name of people) {
      await mkdir(join(set, name), { recursive: true });
      for (const file of readdirSync(join(aligned, name)).sort().slice(0, 3))
        await symlink(join(aligned, name, file), join(set, name, file));
    }
    const gallery = join(folder, "identity.db");
    await json("create", gallery, "--model", model, "--copies", "none");
    // The gate's other rules have tests of their own.
    const open = ["--aligned", "yes", "--min-alpha", "0", "--min-side", "1"];
    const first = await json("add", gallery, set, ...open);
    const doubted = first.refused.filter(({ reason }: { reason: string }) => reason !== "near copy");
    // Of 90 right faces at most two may look wrong.
    expect(doubted.length).toBeLessThanOrEqual(2);
    expect(first.compared).toBe(true);
    const [one = "", other = ""] = people;
    const fourth = (name: string): string => join(aligned, name, readdirSync(join(aligned, name)).sort()[3]);
    // Somebody who is enrolled, under another enrolled person's name, and under a new one.
    for (const name of [other, "A New Name"]) {
      const page = ["--report", join(folder, "refused.html")];
      const { refused, added } = await json("add", gallery, fourth(one), "--person", name, ...open, ...page);
      expect(added).toBe(0);
      expect(refused).toMatchObject([{ reason: "like somebody else", like: one, person: name }]);
      expect(await readFile(join(folder, "refused.html"), "utf8")).toContain("<h2>The face of somebody else: 1</h2>");
    }
    // The right name is taken.
    expect(await json("add", gallery, fourth(one), "--person", one, ...open)).toMatchObject({ added: 1, refused: [] });
    // Three photos each of two new people confirm each other, and none is enrolled.
    const [two = "", three = ""] = peopleWith(aligned, 4).slice(30);
    await mkdir(join(folder, "mixed", "Two People"), { recursive: true });
    for (const name of [two, three])
      for (const file of readdirSync(join(aligned, name)).sort().slice(0, 3))
        await symlink(join(aligned, name, file), join(folder, "mixed", "Two People", file));
    const page = join(folder, "mixed.html");
    const mixed = await json("add", gallery, join(folder, "mixed"), ...open, "--report", page);
    expect(mixed.added).toBe(0);
    expect(mixed.refused.map(({ reason }: { reason: string }) => reason)).toEqual(
      Array(6).fill("two people under one name"),
    );
    expect(await readFile(page, "utf8")).toContain("<h2>Two people under one name: 6</h2>");
    // So are photos of somebody new under an enrolled name, however many they are.
    const under = await json("add", gallery, join(aligned, two), "--person", other, ...open);
    expect(under.added).toBe(0);
    expect(new Set(under.refused.map(({ reason }: { reason: string }) => reason))).toEqual(
      new Set(["not like the person's other faces"]),
    );
  });

  test("photos that are not aligned are aligned, in add and in search, and one without a face is named", async () => {
    const [name = ""] = peopleWith(photos, 2);
    const files = readdirSync(join(photos, name)).sort();
    const others = peopleWith(photos, 1)
      .filter((each) => each !== name)
      .slice(0, 5);
    const set = join(folder, "photos");
    await mkdir(join(set, name), { recursive: true });
    await cp(join(photos, name, files[0]), join(set, name, "one.jpg"));
    for (const each of others) await cp(join(photos, each), join(set, each), { recursive: true });
    const gallery = join(folder, "aligned.db");
    await json("create", gallery, "--model", model, "--copies", "none");
    const added = await json("add", gallery, set, "--force", "--min-alpha", "0");
    expect(added.added).toBe(1 + others.reduce((sum, each) => sum + readdirSync(join(photos, each)).length, 0));
    const blank = join(folder, "wall.png");
    await sharp({ create: { width: 200, height: 200, channels: 3, background: "#888" } })
      .png()
      .toFile(blank);
    const found = await json("search", gallery, join(photos, name, files[1]), blank, "--threshold", "0.3");
    expect(found.photos).toMatchObject([
      { decision: "match", person: name },
      { decision: "unusable", reason: "no face was found", person: null },
    ]);
    // The same photo, cut to its face already, is as near as its own crop: alignment found the same
    // face.
    const crop = join(aligned, name, files[1]);
    const same = await json("search", gallery, crop, "--aligned", "yes", "--threshold", "0.3");
    expect(same.photos[0].person).toBe(name);
    expect(Math.abs(same.photos[0].cosine - found.photos[0].cosine)).toBeLessThan(0.05);
  });
});
