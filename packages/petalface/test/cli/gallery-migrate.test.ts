import { rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { openGallery } from "../../src/gallery/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { drawPhotos } from "./drawn-photos.ts";
import { petalface } from "./process.ts";

const people = "synthetic:people=4,images=3,seed=5";
const folder = temporaryFolder("petalface-migrate-");

async function run(...args: string[]) {
  const { code, stdout, stderr } = await petalface([...args, "--json"], { cwd: folder });
  expect(code, `petalface ${args.join(" ")}\n${stderr}`).toBe(0);
  return JSON.parse(stdout);
}

const vectorsOf = async (name: string) => {
  await using store = await openGallery(join(folder, name));
  return await store.vectors();
};

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await writeTinyBackbone(join(folder, "other.onnx"), 2);
  await drawPhotos(folder, people);
  const budget = ["--rank", "4", "--epochs", "3", "--batch", "6", "--threads", "1"];
  await run(
    "adapt",
    "--model",
    "tiny.onnx",
    "--train",
    people,
    "--lr-pixels",
    "4,6",
    "--quality",
    "sharpness",
    ...budget,
    "--out",
    "run",
  );
});

test("sharp faces keep their bits under an adapter; others and all copies are embedded again", async () => {
  await run("gallery", "create", "g.db", "--model", "tiny.onnx", "--copies", "6,4", "--keep-crops");
  await run("gallery", "add", "g.db", "faces", "--force");
  const before = await vectorsOf("g.db");
  const moved = await run("gallery", "migrate", "g.db", "--model", "tiny.onnx", "--adapter", "run");
  const after = await vectorsOf("g.db");
  // The adapter was trained on these very faces: alpha is 1 for nearly all, and below for a few.
  const sharp = [...after.alpha].filter((alpha) => alpha === 1).length;
  expect(sharp).toBeGreaterThan(6);
  expect(moved).toMatchObject({ faces: 12, kept: sharp, changed: 12 - sharp, withoutCopies: 0, earlier: 0 });
  expect(moved.sharp.searches).toBe(12);
  const row = (data: Float32Array, at: number) => [...data.subarray(at * after.width, (at + 1) * after.width)];
  after.alpha.forEach((alpha, at) => {
    if (alpha === 1) expect(row(after.vectors, at)).toEqual(row(before.vectors, at));
    expect(row(after.copies, at)).not.toEqual(row(before.copies, at));
  });
  const again = await petalface(["gallery", "migrate", "g.db", "--model", "tiny.onnx", "--adapter", "run"], {
    cwd: folder,
  });
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("nothing to do")]);
  // Another backbone changes all, from the kept pictures, and is then the gallery's own.
  const other = await run("gallery", "migrate", "g.db", "--model", "other.onnx");
  expect(other).toMatchObject({ faces: 12, kept: 0, changed: 12 });
  expect(await run("gallery", "list", "g.db")).toMatchObject({ model: "other", adapter: null });
  const found = await run(
    "gallery",
    "search",
    "g.db",
    "faces",
    "--threshold",
    "0.9",
    "--templates",
    "best",
    "--margin",
    "0",
  );
  expect(found.photos.every(({ decision }: { decision: string }) => decision === "match")).toBe(true);
});

test("the new model is tried next to the old one before the gallery changes to it", async () => {
  await run("gallery", "create", "both.db", "--model", "tiny.onnx", "--copies", "6", "--keep-crops");
  await run("gallery", "add", "both.db", "faces", "--force");
  const search = ["gallery", "search", "both.db", "faces", "--threshold", "0.9", "--templates", "best"];
  const fails = async (...args: string[]) => await petalface(args, { cwd: folder });
  expect(await fails(...search, "--next")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("does not move to another model; begin with petalface gallery migrate"),
  });
  const before = await run(...search);
  const prepared = await run("gallery", "migrate", "both.db", "--model", "other.onnx", "--prepare");
  expect(prepared).toMatchObject({ faces: 12, changed: 12, switched: false });
  expect(prepared.sharp.searches).toBe(12);
  expect(await run("gallery", "list", "both.db")).toMatchObject({ model: "tiny" });
  expect(await run(...search)).toEqual(before);
  const next = await run(...search, "--next");
  expect(next).toMatchObject({ enrolled: 4, search: expect.stringContaining("by the new model") });
  expect(next.photos.map(({ cosine }: { cosine: number }) => cosine)).not.toEqual(
    before.photos.map(({ cosine }: { cosine: number }) => cosine),
  );
  expect(await fails(...search, "--next", "--index")).toMatchObject({ code: 2 });
  // The second command has nothing left to embed.
  const moved = await run("gallery", "migrate", "both.db", "--model", "other.onnx");
  expect(moved).toMatchObject({ faces: 12, kept: 0, changed: 0, earlier: 12, switched: true });
  const after = await run(...search);
  expect(after.photos).toEqual(next.photos);
  expect(await run("gallery", "check", "both.db")).toMatchObject({ ok: true });
});

test("without pictures another backbone waits for them, and the old one stays", async () => {
  await run("gallery", "create", "bare.db", "--model", "tiny.onnx", "--copies", "6");
  await run("gallery", "add", "bare.db", "faces", "--force");
  const before = await vectorsOf("bare.db");
  const failed = await petalface(["gallery", "migrate", "bare.db", "--model", "other.onnx"], { cwd: folder });
  expect([failed.code, failed.stdout]).toEqual([1, ""]);
  expect(failed.stderr).toMatch(/12 faces have no picture to embed again; give the enrolled pictures with --data/);
  expect(await vectorsOf("bare.db")).toEqual(before);
  const moved = await run("gallery", "migrate", "bare.db", "--model", "other.onnx", "--data", "faces");
  expect(moved).toMatchObject({ faces: 12, kept: 0, changed: 12 });
});

test("faces without a picture are mapped only when asked, and what that loses is said", async () => {
  const many = "synthetic:people=20,images=3,seed=6";
  await drawPhotos(folder, many, "many");
  await run("gallery", "create", "map.db", "--model", "tiny.onnx", "--copies", "none", "--alpha-range", "0,4");
  await run("gallery", "add", "map.db", "many", "--force", "--min-alpha", "0");
  await rm(join(folder, "many", "7"), { recursive: true });
  const move = ["migrate", "map.db", "--model", "other.onnx", "--data", "many", "--alpha-range", "0,4"];
  const refused = await petalface(["gallery", ...move], { cwd: folder });
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  const offer =
    /3 faces have no picture .*map their embeddings with --map-missing \(mean cosine ([01]\.\d+), .* on 57 of 57 faces/;
  expect(refused.stderr).toMatch(offer);
  const moved = await run("gallery", ...move, "--map-missing");
  expect(moved).toMatchObject({ faces: 60, mapped: 3, mapLoss: { faces: 57, available: 57 } });
  expect(moved.mapLoss.cosine).toBeCloseTo(Number(offer.exec(refused.stderr)?.[1]), 2);
  expect(await run("gallery", "check", "map.db")).toMatchObject({ ok: true, faces: 60 });
});
