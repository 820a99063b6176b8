import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { type FreshPlaces, freshPlaces, hasNamespaces, packetsOf, runFresh } from "./fresh.ts";

const cli = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const studio = fileURLToPath(new URL("../../../../apps/studio/main.ts", import.meta.url));
const npmSettings = fileURLToPath(new URL("./npm-settings.ts", import.meta.url));
const library = fileURLToPath(new URL("./library.ts", import.meta.url));

let places: FreshPlaces;
let model: string;

beforeEach(async () => {
  places = await freshPlaces();
  model = join(places.work, "tiny.onnx");
  await writeTinyBackbone(model);
});
afterEach(() => places.remove());

/** What a user does with a model and faces, one after the other. */
const commands = (): string[][] => {
  const faces = "synthetic:people=4,images=3";
  const small = ["--sites", "all", "--lr-pixels", "4,6", "--threads", "1"];
  return [
    ["doctor"],
    ["degrade", faces, "faces", "--to", "lr:16"],
    ["embed", "--model", model, "--images", "faces", "--out", "faces.npy"],
    ["adapt", "--model", model, "--train", faces, "--out", "run", "--batch", "6", "--epochs", "1", ...small],
    ["export", "--model", model, "--adapter", "run", "--out", "face.onnx"],
    ["evaluate", "--model", model, "--adapter", "run", "--protocol", "drawn:pairs=8,folds=2", "--data", faces],
    ["inspect", "face.onnx"],
    ["quality", "--metric", "sharpness", "faces"],
  ];
};

test("commands leave files only in the folders that were named, and in petalface's cache", async () => {
  for (const args of commands()) {
    await runFresh([cli, ...args], places);
    expect(await places.strays(), args.join(" ")).toEqual([]);
  }
}, 600_000);

test("asking npm for its settings leaves no file, and the studio's pages are built without any elsewhere", async () => {
  expect(await runFresh([npmSettings], places)).toBe("true\n");
  // npm makes this folder, and nothing in it.
  expect(await places.strays()).toEqual(["home/.npm"]);
  await runFresh([studio, "--model", model, "--build", "page"], places);
  // Beside where the user works, not beside the studio's sources.
  expect(await readdir(join(places.work, "page"))).toContain("index.html");
  expect(await places.strays()).toEqual(["home/.npm"]);
}, 600_000);

test.each(["main", "worker"])(
  "the library in the %s thread leaves no file anywhere",
  async (where) => {
    expect(await runFresh([library, model, where], places)).toBe("opened\n");
    expect(await places.strays()).toEqual([]);
  },
  240_000,
);

describe.skipIf(!hasNamespaces())("in a network namespace (where the machine allows one)", () => {
  test("the count of packets sees an attempt to reach anybody", async () => {
    const attempt = 'require("node:net").connect(80, "192.0.2.1").on("error", () => {})';
    expect(await packetsOf(["-e", attempt], places)).toBeGreaterThan(0);
  });

  test("commands and the library send nothing", async () => {
    for (const args of commands()) expect(await packetsOf([cli, ...args], places), args.join(" ")).toBe(0);
    for (const where of ["main", "worker"]) expect(await packetsOf([library, model, where], places), where).toBe(0);
    expect(await packetsOf([npmSettings], places), "npm's settings").toBe(0);
    expect(await packetsOf([studio, "--model", model, "--build", "page"], places), "the studio").toBe(0);
  }, 600_000);

  test("PETALFACE_ORT_TELEMETRY=1 lets onnxruntime do as it does by itself: these tests would see it", async () => {
    const wanted = { ...places, env: { ...places.env, PETALFACE_ORT_TELEMETRY: "1" } };
    await packetsOf([library, model], wanted);
    // Windows leaves no files, and other builds of onnxruntime have no telemetry.
    expect((await places.strays()).filter((name) => /onnxruntime|mat-debug/.test(name))).not.toEqual([]);
  });
});
