import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shared } from "../images/helpers.ts";
import { petalface } from "./process.ts";

interface Findings {
  readonly pictures: number;
  readonly unreadable: number;
  readonly exact: readonly { faces: { id: string; person: string; set: string }[]; people: boolean; sets: boolean }[];
  readonly near: Findings["exact"];
  readonly outliers: { faces: { id: string; like: { person: string } | null }[] } | null;
  readonly shared: { names: string[]; alike: { person: string; other: string }[] | null } | null;
}

const lfw = shared("data", "lfw112");
const model = shared("weights", "mobilefacenet.onnx");

let folder: string;
let faces: string;
let others: string;

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await petalface([...args, "--json"]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

const ids = (groups: Findings["exact"]): string[][] => groups.map(({ faces: all }) => all.map(({ id }) => id));

/** People of LFW with several photos, copied; then things are planted. */
async function plant(): Promise<void> {
  const people: string[] = [];
  for (const person of await readdir(lfw.path))
    if (people.length < 24 && (await readdir(join(lfw.path, person))).length >= 4) people.push(person);
  const [first, second, ...rest] = people.map((person, at) => ({
    from: join(lfw.path, person),
    name: `p${String(at).padStart(2, "0")}`,
  }));
  for (const { from, name } of [first, second, ...rest].flatMap((each) => each ?? [])) {
    const target = join(Number(name.slice(1)) < 18 ? faces : others, name);
    await mkdir(target, { recursive: true });
    const photos = (await readdir(from)).sort().slice(0, 5);
    for (const [at, photo] of photos.entries()) await copyFile(join(from, photo), join(target, `${at}.jpg`));
  }
  // An exact copy under another name, a recompressed one, and a brightened PNG.
  await copyFile(join(faces, "p00", "0.jpg"), join(faces, "p05", "copy.jpg"));
  await sharp(join(faces, "p01", "0.jpg"))
    .jpeg({ quality: 45 })
    .toFile(join(faces, "p01", "again.jpg"));
  await sharp(join(faces, "p02", "1.jpg"))
    .linear(1.1, 6)
    .png()
    .toFile(join(faces, "p02", "bright.png"));
  // Two photos change places.
  await rename(join(faces, "p08", "2.jpg"), join(faces, "p08", "x.jpg"));
  await rename(join(faces, "p09", "2.jpg"), join(faces, "p08", "2.jpg"));
  await rename(join(faces, "p08", "x.jpg"), join(faces, "p09", "2.jpg"));
  // Somebody of the first set is in the second under another name, with other photos; somebody
  // under the same.
  await mkdir(join(others, "stranger"));
  for (const photo of ["3.jpg", "4.jpg"])
    await rename(join(faces, "p10", photo), join(others, "stranger", photo)).catch(() => {});
  await cp(join(faces, "p11"), join(others, "p11"), { recursive: true });
  await writeFile(join(faces, "p03", "bad.jpg"), "no picture");
}

describe.skipIf(!lfw.exists || !model.exists)("inspecting photos of people (needs the shared data)", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-inspect-"));
    [faces, others] = [join(folder, "faces"), join(folder, "others <b>")];
    await plant();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("finds the copies that were planted, and only them, without being asked", async () => {
    const { findings } = await json<{ findings: Findings }>("inspect", faces);
    expect(ids(findings.exact)).toEqual([["p00/0.jpg", "p05/copy.jpg"]]);
    expect(findings.exact[0]).toMatchObject({ people: true, sets: false });
    expect(ids(findings.near).map((group) => group.toSorted())).toEqual([
      ["p01/0.jpg", "p01/again.jpg"],
      ["p02/1.jpg", "p02/bright.png"],
    ]);
    expect([findings.unreadable, findings.outliers, findings.shared]).toEqual([1, null, null]);
    const text = await petalface(["inspect", faces, "--quiet"]);
    expect(text.stdout).toContain("exact copies: 1 picture of 1 group, 1 under several names");
    expect((await petalface(["inspect", faces, "--no-check"])).stdout).not.toContain("copies");
  });

  test("with a model finds swapped photos and shared people, and shows them on a page", async () => {
    const page = join(folder, "page.html");
    const { findings } = await json<{ findings: Findings }>(
      ...["inspect", faces, "--model", model.path, "--against", others, "--report", page],
    );
    const wrong = new Map(findings.outliers?.faces.map(({ id, like }) => [id, like?.person]));
    expect([wrong.get("p08/2.jpg"), wrong.get("p09/2.jpg"), wrong.get("p05/copy.jpg")]).toEqual(["p09", "p08", "p00"]);
    expect(wrong.size).toBe(3);
    expect(findings.shared?.names).toEqual(["p11"]);
    expect(findings.shared?.alike?.map(({ person, other }) => [person, other]).toSorted()).toEqual([
      ["p10", "stranger"],
      ["p11", "p11"],
    ]);
    expect(findings.exact.filter(({ sets }) => sets).length).toBeGreaterThanOrEqual(4);
    const html = await readFile(page, "utf8");
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toContain("<b>");
    expect(html).toContain("p08/2.jpg");
    expect(html.match(/data:image\/jpeg;base64,/g)?.length).toBeGreaterThan(12);
  });

  test("says what these options are for", async () => {
    const { code, stderr } = await petalface(["inspect", model.path, "--against", faces]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--against and --report are for data sets; .* is none/)]);
  });
});
