import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { printExpected } from "../../src/api/adapt/expected.ts";
import { endNotes, startNotes } from "../../src/cli/commands/adapt/training-notes.ts";
import { type AdaptContext, adapt, type ResumeChanges, type RunRecord, resume } from "../../src/training/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-places-");
const at = (...names: string[]): string => join(folder, ...names);

const options = {
  rank: 4,
  batch: 6,
  lrPixels: [4, 6],
  sites: "all",
  sharpShare: 0.3,
  checkpointSeconds: 0,
  epochs: 2,
  warmupEpochs: 1,
  learningRate: 1e-3,
} as const;
const context: AdaptContext = { threads: 1 };

/** Stops after so many steps. */
function stopAfter(steps: number): AdaptContext {
  const controller = new AbortController();
  const onStep: AdaptContext["onStep"] = ({ step }) => {
    if (step === steps) controller.abort();
  };
  return { ...context, signal: controller.signal, onStep };
}

const weights = (run: string): Promise<Buffer> => readFile(join(run, "adapter", "adapter_model.safetensors"));
const metrics = (run: string): Promise<string> => readFile(join(run, "metrics.jsonl"), "utf8");
const record = async (run: string): Promise<RunRecord> => JSON.parse(await readFile(join(run, "run.json"), "utf8"));

describe("a finished run is trained longer", () => {
  const start = async (name: string, more: object): Promise<string> => {
    const model = at("tiny.onnx");
    await writeTinyBackbone(model);
    const train = "synthetic:people=6,images=3";
    await adapt({ model, train, options: { ...options, ...more }, out: at(name) }, context);
    return at(name);
  };

  test("with every bit of one that was planned so, where the learning rate does not depend on the end", async () => {
    const [planned, longer] = [
      await start("planned", { decay: "none", epochs: 4 }),
      await start("longer", { decay: "none" }),
    ];
    const { run, finished } = await resume(longer, context, { epochs: 4 });
    expect([finished, run.steps]).toEqual([true, 12]);
    expect(run.changes).toEqual([{ step: 6, learningRate: 1e-3, epochs: 4, asPlanned: true }]);
    expect(await weights(longer)).toEqual(await weights(planned));
    expect(await metrics(longer)).toBe(await metrics(planned));
    expect(startNotes(run, { epochs: 4, resume: longer })).toEqual([expect.stringContaining("exactly as if")]);
    await expect(resume(longer, context, { epochs: 3 })).rejects.toThrow(/has done 12 steps.*'epochs=3' makes 9/);
    expect(await record(longer)).toEqual(run);
  });

  test("and it says so where it does", async () => {
    const longer = await start("cosine", { decay: "cosine" });
    const { run } = await resume(longer, context, { epochs: 4 });
    expect(run.changes).toEqual([{ step: 6, learningRate: 1e-3, epochs: 4, asPlanned: false }]);
    expect((await metrics(longer)).trimEnd().split("\n")).toHaveLength(12);
    expect(startNotes(run, { epochs: 4, resume: longer })).toEqual([expect.stringContaining("the result differs")]);
    // The same number again changes nothing.
    expect((await resume(longer, context, { epochs: 4 })).run).toEqual(run);
  });

  test("patience that ran out begins anew, and a best step at the end is said", async () => {
    const model = at("tiny.onnx");
    await writeTinyBackbone(model);
    // The frozen model is the best: every later value is lower.
    let values = [5, 4, 3, 6, 7, 8, 9, 10, 11, 12];
    const openValidator: AdaptContext["openValidator"] = async () => ({
      measure: "test",
      fingerprint: "x",
      evaluate: async () => ({ value: values.shift() ?? 0, standardError: 1 }),
      close: async () => {},
    });
    const own = { ...context, openValidator };
    const validation = { protocol: "test", pixels: [4] };
    const choices = { ...options, decay: "none", validateEvery: 1, patience: 2 } as const;
    const train = "synthetic:people=6,images=3";
    const first = await adapt({ model, train, options: choices, out: at("patience"), validation }, own);
    expect(first.run.result).toMatchObject({ steps: 2, best: { step: 0 } });
    expect(endNotes("r", first.run)).toEqual([]);
    values = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const { run } = await resume(at("patience"), own, { epochs: 4 });
    expect(run.result).toMatchObject({ steps: 12, best: { step: 12, value: 15 } });
    expect(run.changes).toMatchObject([{ asPlanned: false }]);
    expect(endNotes("r", run)).toEqual([expect.stringMatching(/still improving.*--resume r --epochs 8/)]);
  });

  test("the default budget is compared with measured lengths", async () => {
    const run = { ...(await record(at("planned"))), steps: 9 };
    // That a small network is judged by sharpness is said where nobody asked for it.
    const quality = "sharpness";
    expect(startNotes(run, { quality })).toEqual([
      "4 epochs by default: 54 training images; --epochs 267 gives 4,800",
      printExpected(54, run.options),
    ]);
    const [planned, expected] = startNotes({ ...run, steps: 1000 }, { quality });
    expect(planned).toBe("4 epochs by default: 6,000 training images");
    expect(expected).toBe(printExpected(6000, run.options));
    expect(startNotes(run, { quality, epochs: 4 })).toEqual([]);
    expect(startNotes(run, { epochs: 4 })).toEqual([expect.stringMatching(/^alpha comes from sharpness: /)]);
  });
});

describe("a run that was moved", () => {
  /** A model, photos and a run beside each other, stopped after three of six steps. */
  async function make(name: string): Promise<string> {
    const model = at(name, "models", "tiny.onnx");
    await mkdir(at(name, "models"), { recursive: true });
    await writeTinyBackbone(model);
    for (let image = 0; image < 18; image++) {
      const person = at(name, "faces", `p${image % 6}`);
      await mkdir(person, { recursive: true });
      const pixels = Buffer.from(Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 7 + image * 31) % 256));
      await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
        .png()
        .toFile(join(person, `${image}.png`));
    }
    const request = { model, train: at(name, "faces"), options, out: at(name, "runs", "r") };
    await adapt(request, stopAfter(3));
    return at(name, "runs", "r");
  }
  const goOn = (run: string, changes: ResumeChanges = {}) => resume(run, context, changes);

  test("goes on with its model and data, wherever they were moved together", async () => {
    const run = await make("whole");
    await cp(at("whole"), at("other"), { recursive: true });
    await goOn(run);
    // Something else lies where the model was.
    await rename(at("other"), at("moved"));
    await writeTinyBackbone(at("whole", "models", "tiny.onnx"), 2);
    await rm(at("whole", "faces"), { recursive: true });
    const { finished } = await goOn(at("moved", "runs", "r"));
    expect(finished).toBe(true);
    expect(await weights(at("moved", "runs", "r"))).toEqual(await weights(run));
    expect(await metrics(at("moved", "runs", "r"))).toEqual(await metrics(run));
  });

  test("is told where they are if they went apart, and remembers it", async () => {
    const run = await make("apart");
    await rename(at("apart", "faces"), at("apart", "photos"));
    await rename(at("apart", "models", "tiny.onnx"), at("apart", "model.onnx"));
    await expect(goOn(run)).rejects.toThrow(/models.tiny\.onnx, which is at none of these places now: .*'model'/);
    const model = at("apart", "model.onnx");
    await expect(goOn(run, { model })).rejects.toThrow(/faces, which is at none of these places now: .*'train'/);
    await mkdir(at("apart", "none"));
    await writeFile(at("apart", "none", "x.png"), "");
    await expect(goOn(run, { model, train: at("apart", "none") })).rejects.toThrow(/none is not the data that/);
    const ended = await resume(run, stopAfter(4), { model, train: at("apart", "photos") });
    expect(ended.finished).toBe(false);
    expect((await goOn(run)).finished).toBe(true);
  });

  test("of an older version, whose run.json notes no places, goes on from where it was", async () => {
    const run = await make("old");
    const { places, ...old } = await record(run);
    expect(Object.keys(places ?? {})).toEqual([at("old", "models", "tiny.onnx"), at("old", "faces")]);
    await writeFile(join(run, "run.json"), JSON.stringify(old));
    expect((await goOn(run)).finished).toBe(true);
  });
});
