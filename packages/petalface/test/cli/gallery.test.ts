import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lastOf } from "onnx-grad";
import { beforeAll, describe, expect, test } from "vitest";
import { loadSqlite } from "../../src/gallery/sqlite/driver.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { drawPhotos } from "./drawn-photos.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-cli-gallery-");
const people = "synthetic:people=4,images=3,seed=5";

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await writeTinyBackbone(join(folder, "other.onnx"), 2);
  await drawPhotos(folder, people);
});

/** Runs `petalface gallery ... --json` that must succeed; its document. */
async function json(...args: string[]) {
  const { code, stdout, stderr } = await petalface(["gallery", ...args, "--json"], { cwd: folder });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** Runs what must fail: its one line on stderr. */
async function failure(code: number, ...args: string[]): Promise<string> {
  const ended = await petalface(["gallery", ...args], { cwd: folder });
  expect([ended.code, ended.stdout], ended.stderr).toEqual([code, ""]);
  const lines = ended.stderr.trimEnd().split("\n");
  return lastOf(lines);
}

// The tiny network is random: what it says of drawn faces is no measure of quality, so the gate is
// left open.
const open = ["--min-alpha", "0", "--force"];

describe("petalface gallery", () => {
  test("goes from nothing to a decision and back", async () => {
    const made = await json("create", "g.db", "--model", "tiny.onnx", "--copies", "8,6", "--alpha-range", "0,4");
    expect(made).toMatchObject({
      copies: [8, 6],
      keepCrops: false,
      calibration: { measure: "sharpness", low: 0, high: 4 },
    });
    expect(await json("add", "g.db", "faces", ...open)).toMatchObject({ added: 12, people: 4, known: 0, leftOut: [] });
    // The same again changes nothing, and computes nothing.
    expect(await json("add", "g.db", "faces", ...open)).toMatchObject({ added: 0, people: 0, known: 12 });
    expect(await json("list", "g.db")).toMatchObject({
      faces: 12,
      model: "tiny",
      people: ["0", "1", "2", "3"].map((name) => ({ name, faces: 3 })),
    });
    const [file] = await readdir(join(folder, "faces", "2"));
    const photo = join("faces", "2", file);
    const found = await json("search", "g.db", photo, "--threshold", "0.5", "--margin", "0", "--templates", "best");
    expect(found.thresholds).toEqual({
      ...{ kind: "given", table: { rows: [{ alpha: [0, 1], cosine: 0.5 }] } },
      note: expect.stringContaining("do not say how often strangers are accepted"),
    });
    expect(found.photos[0].falseAcceptRate).toBeNull();
    expect(found.photos).toHaveLength(1);
    const [answer] = found.photos;
    expect(answer).toMatchObject({ photo, decision: "match", reason: null, person: "2", threshold: 0.5 });
    expect(answer.candidates).toHaveLength(4);
    expect(answer.candidates[0]).toEqual({ person: "2", cosine: answer.cosine });
    expect(answer.alpha).toBeGreaterThanOrEqual(0);
    // Nobody can be nearer than 1; and then there is no match.
    const strict = await json("search", "g.db", "faces", "--threshold", "1");
    expect(strict.photos).toHaveLength(12);
    expect(new Set(strict.photos.map(({ reason }: { reason: string }) => reason))).toEqual(
      new Set(["below threshold"]),
    );
    expect(strict.photos[0]).toMatchObject({ decision: "unknown", person: null });
    expect(strict.counts).toEqual({ match: 0, unknown: 12, unusable: 0 });
    const lenient = await json("search", "g.db", "faces", "--threshold", "0", "--margin", "0", "--named");
    const right = lenient.photos.filter(
      ({ photo: of, person }: Record<string, string>) => of?.split("/").at(-2) === person,
    );
    expect(lenient.named).toMatchObject({
      enrolled: {
        photos: 12,
        right: { count: right.length },
        wrong: { count: 12 - right.length },
        nearest: { count: right.length },
      },
      strangers: { photos: 0, matched: { count: 0, interval: null } },
    });
    const track = await json("search", "g.db", "--track", join("faces", "1"), "--threshold", "0", "--margin", "0");
    expect(track.photos).toMatchObject([{ decision: "match", detail: expect.stringMatching(/^\d of 3 frames$/) }]);
    const estimated = await json("search", "g.db", "--track", join("faces", "1"));
    expect(estimated.thresholds).toMatchObject({ kind: "estimated", faces: 12 });
    expect(Object.keys(estimated.thresholds.table.rows[0])).toEqual(["alpha", "cosine"]);
    // Twelve faces of four people cannot show less than one in twelve, and people say less.
    const { rate, interval, impostors } = estimated.photos[0].falseAcceptRate;
    expect([rate >= 1 / 12, rate <= interval[1], interval[1] > 0.4, impostors]).toEqual([true, true, true, 12]);
    expect((await petalface(["gallery", "search", "g.db", photo], { cwd: folder })).stdout).toContain(
      "false-accept rate ",
    );

    const removed = await json("remove", "g.db", "--person", "2");
    expect(removed).toMatchObject({ person: "2", faces: 3, found: 0 });
    expect(removed.fragments).toBeGreaterThan(10);
    const without = await json("search", "g.db", "faces", "--threshold", "0", "--margin", "0", "--named");
    expect(without.named).toMatchObject({ enrolled: { photos: 9 }, strangers: { photos: 3, matched: { count: 3 } } });
    const { stdout: printed } = await petalface(["gallery", "search", "g.db", "faces", "--threshold", "1", "--named"], {
      cwd: folder,
    });
    const [last = "", middle = "", first = ""] = printed
      .replaceAll(/\n {2}/g, " ")
      .trim()
      .split("\n")
      .toReversed();
    expect(first).toBe("12 photos: 0 match, 12 unknown, 0 unusable");
    expect(middle).toContain("people who are enrolled: 0 of 9 (0.0 %, 95 % interval 0.0 to 56.1) found");
    expect(last).toBe("people who are not: 0 of 3 (0.0 %, 95 % interval 0.0 to 79.3) taken for somebody");
    expect(await failure(2, "search", "g.db", photo, "--named")).toContain("nothing says who is on");
    const after = await json("search", "g.db", photo, "--threshold", "0.5", "--templates", "best", "--margin", "0");
    expect(JSON.stringify(after.photos[0].candidates)).not.toContain('"2"');
    expect(await json("check", "g.db", "--audit", "--compact")).toMatchObject({
      ok: true,
      people: 3,
      faces: 9,
      audit: [
        { action: "create" },
        ...[0, 1, 2, 3].map(() => ({ action: "add", faces: 3 })),
        { action: "remove", faces: 3 },
      ],
    });
    expect((await readdir(folder)).filter((name) => name.startsWith("g.db"))).toEqual(["g.db"]);
  });

  test("proposes a command that a shell does not cut", async () => {
    const made = await petalface(["gallery", "create", "two words.db", "--model", "tiny.onnx"], { cwd: folder });
    expect(made.stdout.replaceAll(/\s+/g, " ")).toContain("next: petalface gallery add 'two words.db' FACES");
  });

  test("says what a picture is that cannot be searched for", async () => {
    await json("create", "odd.db", "--model", "tiny.onnx", "--copies", "none");
    await json("add", "odd.db", "faces", ...open);
    await writeFile(join(folder, "broken.png"), "no picture");
    const found = await json("search", "odd.db", "broken.png", "--threshold", "0");
    expect(found.photos).toMatchObject([
      {
        photo: "broken.png",
        decision: "unusable",
        reason: "it cannot be read",
        person: null,
        cosine: null,
        candidates: [],
      },
    ]);
    const thresholds = { rows: [{ alpha: [0, 1], cosine: null }] };
    await writeFile(join(folder, "none.json"), JSON.stringify(thresholds));
    const unusable = await json("search", "odd.db", "faces/0", "--thresholds", "none.json");
    expect(unusable.photos[0]).toMatchObject({
      decision: "unusable",
      reason: "its quality is below what the wanted rate needs",
    });
  });

  test("refuses faces of another model, and says what to do", async () => {
    await json("create", "space.db", "--model", "tiny.onnx");
    const line = await failure(1, "add", "space.db", "faces", "--model", "other.onnx");
    expect(line).toMatch(/another embedding space: it was made with tiny .*, not with other .*gallery migrate/);
    expect(await failure(1, "search", "space.db", "faces", "--model", "other.onnx")).toContain(
      "another embedding space",
    );
    expect(await failure(1, "add", "space.db", "faces", "--normalize", "0,1")).toContain("fed in another way");
    expect(await json("list", "space.db")).toMatchObject({ faces: 0 });
  });

  test("refuses what would harm the gallery, unless it is forced", async () => {
    await json("create", "gate.db", "--model", "tiny.onnx", "--alpha-range", "0,1");
    const small = await json("create", "small.db", "--model", "tiny.onnx");
    expect(small.calibration).toBeNull();
    const ended = await petalface(
      ["gallery", "add", "small.db", "faces", "--min-side", "64", "--report", "small.html", "--json"],
      { cwd: folder },
    );
    expect(ended.code).toBe(1);
    const { added, refused } = JSON.parse(ended.stdout);
    expect([added, new Set(refused.map(({ reason }: { reason: string }) => reason))]).toEqual([
      0,
      new Set(["too small"]),
    ]);
    const page = await readFile(join(folder, "small.html"), "utf8");
    expect(page).toContain("<h2>Too small: 12</h2>");
    expect(page).toContain("0 faces enrolled, 12 refused.");
    expect(page.match(/<img alt="[^"]+" src="data:image\/jpeg;base64,/g)).toHaveLength(12);
    // A copy under another name of the file is the same picture; one that was written anew nearly
    // is.
    await cp(join(folder, "faces", "3"), join(folder, "copies", "3"), { recursive: true });
    const [file] = await readdir(join(folder, "copies", "3"));
    const sharp = (await import("sharp")).default;
    const original = join(folder, "copies", "3", file);
    await writeFile(
      join(folder, "copies", "3", "again.jpg"),
      await sharp(await readFile(original))
        .jpeg({ quality: 95 })
        .toBuffer(),
    );
    const copies = await json("add", "gate.db", "copies", "--min-alpha", "0");
    expect(copies.refused).toEqual([expect.objectContaining({ reason: "near copy", person: "3" })]);
    // The page shows the copy next to the original: of this run, and of an earlier one where it is
    // kept.
    for (const [gallery, keep] of [
      ["crops.db", ["--keep-crops"]],
      ["none.db", []],
    ] as const) {
      await json("create", gallery, "--model", "tiny.onnx", "--alpha-range", "0,1", ...keep);
      const first = await json("add", gallery, "copies", "--min-alpha", "0", "--report", "near.html");
      expect(first.refused[0].copyOf).toEqual({ picture: expect.stringContaining("3/") });
      const together = await readFile(join(folder, "near.html"), "utf8");
      expect(together).toContain("<h2>Near copies: 1</h2>");
      expect(together.match(/<img /g)).toHaveLength(2);
      const later = await json("add", gallery, "copies", "--min-alpha", "0", "--report", "near.html");
      expect(later.refused[0].copyOf).toEqual({ face: expect.any(Number) });
      const again = await readFile(join(folder, "near.html"), "utf8");
      expect(again.match(/<img /g)).toHaveLength(keep.length === 0 ? 1 : 2);
      expect(again).toContain(keep.length === 0 ? "3 (enrolled; no picture is kept)" : "3 (enrolled)");
    }
    const forced = await json("add", "gate.db", "copies", "--min-alpha", "0", "--force");
    expect(forced).toMatchObject({ added: 1, known: 3, forced: true });
    const said = await petalface(["gallery", "add", "crops.db", "copies", "--min-alpha", "0", "--force"], {
      cwd: folder,
    });
    expect(said.stdout).toContain("1 face enrolled against the gate's advice:\n");
    expect(await json("check", "gate.db")).toMatchObject({ ok: true, faces: 4 });
  });

  test("keeps faces until their date", async () => {
    await json("create", "dated.db", "--model", "tiny.onnx", "--alpha-range", "0,4");
    await json("add", "dated.db", "faces/0", "--person", "Ada", ...open, "--keep-until", "2020-02-29");
    await json("add", "dated.db", "faces/1", "--person", "Bo", ...open, "--retain", "2");
    expect(await json("remove", "dated.db", "--expired")).toMatchObject({ faces: 3, people: 1, found: 0 });
    expect(await json("list", "dated.db")).toMatchObject({ faces: 3, people: [{ name: "Bo" }] });
    expect(await failure(2, "add", "dated.db", "faces", "--keep-until", "2021-02-29")).toMatch(/is a date YYYY-MM-DD/);
    expect(await failure(2, "add", "dated.db", "faces", "--keep-until", "2031-01-01", "--retain", "1")).toMatch(
      /not both/,
    );
    expect(await failure(2, "remove", "dated.db")).toMatch(/give --person NAME or --expired/);
  });

  test("check names a damaged embedding and ends with exit code 1", async () => {
    await json("create", "damaged.db", "--model", "tiny.onnx");
    await json("add", "damaged.db", "faces", ...open);
    expect(await json("check", "damaged.db")).toMatchObject({ ok: true, problems: [] });
    const { DatabaseSync } = await loadSqlite();
    const database = new DatabaseSync(join(folder, "damaged.db"));
    database.exec("UPDATE embeddings SET alpha = 0.5 WHERE face = 2");
    database.close();
    const problem = "the embedding of face 2 is not what was written";
    const plain = await petalface(["gallery", "check", "damaged.db"], { cwd: folder });
    expect(plain).toMatchObject({ code: 1, stdout: `${problem}\n`, stderr: "" });
    const ended = await petalface(["gallery", "check", "damaged.db", "--json"], { cwd: folder });
    expect(ended.code).toBe(1);
    expect(JSON.parse(ended.stdout)).toMatchObject({ ok: false, problems: [problem], faces: 12 });
  });

  test("says in one line what is wrong", async () => {
    expect(await failure(1, "add", "space.db", "nowhere")).toContain("nowhere: no such file or folder");
    expect(await failure(1, "list", "nowhere.db")).toContain(
      "nowhere.db does not exist; make it with petalface gallery create",
    );
    expect(await failure(1, "search", "tiny.onnx", "faces")).toContain("tiny.onnx is no gallery");
    await json("create", "lines.db", "--model", "tiny.onnx");
    expect(await failure(1, "create", "lines.db", "--model", "tiny.onnx")).toContain("is there already");
    expect(await failure(1, "remove", "lines.db", "--person", "Nobody")).toContain('has no person called "Nobody"');
    expect(await failure(1, "search", "lines.db", "faces")).toContain("at least two people are enrolled");
    expect(await failure(2, "search", "lines.db")).toContain("give photos to search for, or --track with");
    expect(await failure(2, "create", "x.db", "--model", "tiny.onnx", "--copies", "1")).toContain(
      "copies: a size is a whole number of pixels from 2, not 1",
    );
  });
});
