import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commandLine } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { type FreshPlaces, freshPlaces, hasNamespaces, runFresh } from "./fresh.ts";

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

/** Said where this machine cannot count packets. */
const unseen = hasNamespaces() ? "" : " (packets are not counted: no network namespaces)";
/** Nothing was sent, as far as this machine can tell. */
const nothing = hasNamespaces() ? 0 : undefined;

test(`commands send nothing, and leave files only in the folders that were named and in petalface's cache${unseen}`, async () => {
  for (const args of commands()) {
    const { packets } = await runFresh([commandLine, ...args], places);
    expect({ packets, strays: await places.strays() }, args.join(" ")).toEqual({ packets: nothing, strays: [] });
  }
});

test(`npm's settings and the studio's pages send nothing, and leave no file elsewhere${unseen}`, async () => {
  expect(await runFresh([npmSettings], places)).toEqual({ stdout: "true\n", packets: nothing });
  // npm makes this folder, and nothing in it.
  expect(await places.strays()).toEqual(["home/.npm"]);
  expect((await runFresh([studio, "--model", model, "--build", "page"], places)).packets).toBe(nothing);
  // Beside where the user works, not beside the studio's sources.
  expect(await readdir(join(places.work, "page"))).toContain("index.html");
  expect(await places.strays()).toEqual(["home/.npm"]);
});

test.each(["main", "worker"])(
  `the library in the %s thread sends nothing, and leaves no file anywhere${unseen}`,
  async (where) => {
    expect(await runFresh([library, model, where], places)).toEqual({ stdout: "opened\n", packets: nothing });
    expect(await places.strays()).toEqual([]);
  },
);

test(`an engine's thread opens its model while the main thread is busy, and sends nothing${unseen}`, async () => {
  expect(await runFresh([library, model, "engine"], places)).toEqual({ stdout: "opened\n", packets: nothing });
  expect(await places.strays()).toEqual([]);
});

describe.skipIf(!hasNamespaces())("in a network namespace (where the machine allows one)", () => {
  test("the count of packets sees an attempt to reach anybody", async () => {
    const attempt = 'require("node:net").connect(80, "192.0.2.1").on("error", () => {})';
    expect((await runFresh(["-e", attempt], places)).packets).toBeGreaterThan(0);
  });

  test("PETALFACE_ORT_TELEMETRY=1 lets onnxruntime do as it does by itself: these tests would see it", async () => {
    const wanted = { ...places, env: { ...places.env, PETALFACE_ORT_TELEMETRY: "1" } };
    await runFresh([library, model], wanted);
    // Windows leaves no files, and other builds of onnxruntime have no telemetry.
    expect((await places.strays()).filter((name) => /onnxruntime|mat-debug/.test(name))).not.toEqual([]);
  });
});
