import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphBuilder, ops, writeModel } from "onnx-grad";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSites } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { type FaceData, openData } from "../../src/data/index.ts";
import { random } from "../../src/random.ts";
import { requireSame, together } from "../../src/ranks.ts";
import { type AdaptContext, adapt, resume, type TrainingChoices } from "../../src/training/index.ts";
import { classesOfRanks, partStarts } from "../../src/training/state/head.ts";
import { writeTinyBackbone, writeWhitened } from "../support/backbone.ts";
import { onRanks } from "../support/ranks.ts";
import { bitsOfRun } from "../support/runs.ts";

let folder: string;
let model: string;
let last: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-ranks-"));
  model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  last = findSites((await openBackbone(model)).graph).sites.at(-1)?.name ?? "";
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const train = "synthetic:people=12,images=3,seed=5";
const few: TrainingChoices = { batch: 12, lrPixels: [4, 6], rank: 4, sites: "all", epochs: 2, checkpointSeconds: 0 };
let runs = 0;
const place = (name: string): string => join(folder, `${runs++} ${name}`);

interface Around extends Pick<AdaptContext, "openValidator" | "prefixBytes" | "targetCache" | "mostLeftOut"> {
  readonly model?: string;
  readonly train?: string;
}

/** The bits of a run on so many ranks; of one process where `count` is 0. */
async function bitsOn(count: number, options: TrainingChoices, around: Around = {}): Promise<Record<string, string>> {
  // Beside each other: the record of a run has ways from its folder.
  const out = place(`on ${count}`);
  const { model: other = model, train: faces = train, ...context } = around;
  const validation = context.openValidator && { protocol: "closeness", pixels: [4] };
  const request = { model: other, train: faces, options, out, validation };
  if (count === 0) await adapt(request, { threads: 1, ...context });
  else {
    const ended = await onRanks(count, (ranks) => adapt(request, { threads: 1, ...context, ranks }));
    for (const each of ended) if (each.status === "rejected") throw each.reason;
  }
  return await bitsOfRun(out);
}

describe("training on ranks that exchange copies", () => {
  const cases: readonly [string, TrainingChoices][] = [
    ["distil", {}],
    ["cosface, all classes", { loss: "cosface" }],
    ["distil+anchors", { loss: "distil+anchors", anchors: 16 }],
    ["distil+cosface with Partial FC and SGD", { loss: "distil+cosface", classesPerStep: 12, optimizer: "sgd" }],
    ["AdaFace, two images a part at least", { loss: "adaface", concentration: 0.5 }],
    ["CurricularFace after distil", { loss: "distil+curricularface", lossMomentum: 0.3 }],
    ["dropout, and batch normalisations that train", { batchNorm: "train", dropout: 0.25, batch: 24 }],
  ];
  it.each(cases.flatMap(([name, options]) => [2, 3, 4].map((count) => ({ name, options, count }))))(
    "$name: $count ranks have the bits of one process with --accumulate $count",
    async ({ options, count }) => {
      const made = { ...few, ...options, ...(options.classesPerStep && { epochs: 2 }) };
      const faces: Around = options.classesPerStep ? { train: "synthetic:people=30,images=2,seed=5" } : {};
      if (options.batchNorm !== undefined) Object.assign(faces, { model: await normalised() });
      const whole = await bitsOn(0, { ...made, accumulate: count }, faces);
      expect(Object.keys(whole)).toContain("/adapter/adapter_model.safetensors");
      expect(await bitsOn(count, { ...made, accumulate: count }, faces)).toEqual(whole);
    },
  );

  it("cuts a step into more parts than ranks, and keeps the output of frozen layers on whichever rank has it", async () => {
    const options = { ...few, sites: last, variants: 2, accumulate: 6, epochs: 6 };
    const whole = await bitsOn(0, options);
    expect(await bitsOn(3, options)).toEqual(whole);
    // Room for some draws only; the others are computed each time.
    expect(await bitsOn(2, options, { prefixBytes: 60_000 })).toEqual(whole);
    expect(await bitsOn(2, options, { prefixBytes: 0 })).toEqual(whole);
  });

  it("computes targets again where their cache has no room", async () => {
    const none = { known: new Uint8Array(0), rows: new Float32Array(0) };
    const options = { ...few, accumulate: 2 };
    expect(await bitsOn(2, options, { targetCache: none })).toEqual(await bitsOn(0, options));
  });

  it.each(["distil", "cosface"] as const)(
    "%s: replaces the same faces where pictures give nothing finite",
    async (loss) => {
      const { root, whitened } = await flatFaces();
      const options = { ...few, alphaRange: [0, 20], loss, accumulate: 4, batch: 8, quality: "sharpness" } as const;
      const around = { model: whitened, train: root, mostLeftOut: 0.3 };
      const whole = await bitsOn(0, options, around);
      expect(await bitsOn(4, options, around)).toEqual(whole);
      expect(
        await bitsOn(2, options, { ...around, targetCache: { known: new Uint8Array(0), rows: new Float32Array(0) } }),
      ).toEqual(whole);
    },
  );

  it.each(["distil+cosface", "adaface"] as const)(
    "%s: goes on with the same bits on another number of ranks, also on more than there are parts",
    async (loss) => {
      const options = { ...few, loss, classesPerStep: 12, accumulate: 4, epochs: 5 };
      const faces = "synthetic:people=30,images=2,seed=5";
      const whole = await bitsOn(0, options, { train: faces });
      const out = place("moved");
      const stopAfter = async (steps: number, count: number): Promise<boolean[]> => {
        const ended = await onRanks(count, async (ranks) => {
          const controller = new AbortController();
          // One rank alone is asked to stop.
          const onStep = ({ step }: { step: number }) => {
            if (step === steps && ranks.rank === count - 1) controller.abort();
          };
          const context: AdaptContext = { threads: 1, ranks, signal: controller.signal, onStep };
          const result =
            steps === 3 ? await adapt({ model, train: faces, options, out }, context) : await resume(out, context);
          return result.finished;
        });
        return ended.map((each) => {
          if (each.status === "rejected") throw each.reason;
          return each.value;
        });
      };
      expect(await stopAfter(3, 4)).toEqual([false, false, false, false]);
      expect(await stopAfter(8, 3)).toEqual([false, false, false]);
      expect(await stopAfter(12, 5)).toEqual([false, false, false, false, false]);
      expect(await stopAfter(16, 1)).toEqual([false]);
      expect(await stopAfter(1000, 2)).toEqual([true, true]);
      expect(await bitsOfRun(out)).toEqual(whole);
    },
  );

  it("a NaN that arises on one rank stops all with the same words, and the last checkpoint is good", async () => {
    const data = await openData(train);
    const out = place("nan");
    let hurt = false;
    const spoilt: FaceData = {
      ...data,
      length: data.length,
      at: (index) => ({ ...data.at(index), quality: hurt ? Number.NaN : 7 }),
    };
    const sound: FaceData = { ...data, length: data.length, at: (index) => ({ ...data.at(index), quality: 7 }) };
    const options = {
      ...few,
      quality: "external",
      sharpShare: 1,
      alphaRange: [0, 20],
      accumulate: 3,
      epochs: 9,
    } as const;
    const ended = await onRanks(3, (ranks) =>
      adapt(
        { model, train, options, out },
        {
          threads: 1,
          ranks,
          data: ranks.rank === 1 ? spoilt : sound,
          onStep: ({ step }) => {
            if (step === 4) hurt = true;
          },
        },
      ),
    );
    const messages = new Set(ended.map((each) => (each.status === "rejected" ? each.reason.message : "fine")));
    expect([...messages]).toEqual([expect.stringMatching(/step \d+: the loss is NaN .* the last good state is kept/)]);
    hurt = false;
    const again = await resume(out, { threads: 1, data: sound });
    expect(again.finished).toBe(true);
    expect(again.adapter.theta.every(Number.isFinite)).toBe(true);
  });

  it("is refused where ranks do not see the same, or cannot divide the step", async () => {
    const start = async (
      count: number,
      of: (rank: number) => { options?: TrainingChoices; train?: string; model?: string },
    ) => {
      const ended = await onRanks(count, (ranks) => {
        const { options = {}, ...other } = of(ranks.rank);
        return adapt(
          { model, train, options: { ...few, ...options }, out: place("refused"), ...other },
          { threads: 1, ranks },
        );
      });
      return [...new Set(ended.map((each) => (each.status === "rejected" ? each.reason.message : "fine")))].join(" | ");
    };
    const second = join(folder, "second.onnx");
    await writeTinyBackbone(second, 2);
    expect(await start(2, (rank) => ({ options: { learningRate: rank === 1 ? 0.01 : 0.02 } }))).toMatch(
      /^rank 1 on here has another 'learningRate' than rank 0 on here: 0.01 instead of 0.02; [^|]*$/,
    );
    expect(await start(3, (rank) => ({ train: rank === 2 ? `${train}1` : train }))).toMatch(
      /^rank 2 on here has another set of training faces than rank 0[^|]*$/,
    );
    expect(await start(2, (rank) => (rank === 1 ? { model: second } : {}))).toMatch(
      /^rank 1 [^|]* another model [^|]*$/,
    );
    expect(await start(2, (rank) => (rank === 1 ? { model: join(folder, "nowhere.onnx") } : {}))).toMatch(
      /^rank 1 on here: [^|]*nowhere\.onnx[^|]*$/,
    );
    expect(await start(5, () => ({}))).toMatch(/^'batch=12' cannot be divided among 5 ranks[^|]*$/);
    expect(await start(2, () => ({ options: { accumulate: 3 } }))).toMatch(/^'accumulate=3' [^|]*multiple of 2$/);
  });
});

describe("what ranks say of each other", () => {
  it("requireSame names the first difference, and together every failure once", async () => {
    const messages = async (work: Parameters<typeof onRanks<void>>[1]): Promise<string[]> =>
      (await onRanks(3, work)).map((each) => (each.status === "rejected" ? each.reason.message : "fine"));
    expect(await messages((ranks) => requireSame(ranks, { "version of node": "24" }))).toEqual([
      "fine",
      "fine",
      "fine",
    ]);
    const other = await messages((ranks) => requireSame(ranks, { "version of node": ranks.rank === 2 ? "22" : "24" }));
    expect(new Set(other)).toEqual(
      new Set([
        expect.stringMatching(/^rank 2 on here has another version of node than rank 0 on here: 22 instead of 24/),
      ]),
    );
    const unknown = await messages((ranks) => together(ranks, () => Promise.reject(new Error(`bug ${ranks.rank}`))));
    expect(unknown).toContain("bug 0");
  });

  it("divides class centres in order, by parts that differ by one at most", () => {
    expect(partStarts(10, 4)).toEqual([0, 3, 6, 8, 10]);
    expect(partStarts(2, 4)).toEqual([0, 1, 2, 2, 2]);
    expect(classesOfRanks(Uint32Array.of(0, 2, 3, 7, 8, 9), 10, 4)).toEqual([2, 1, 1, 2]);
    expect(classesOfRanks(Uint32Array.of(1), 2, 4)).toEqual([0, 1, 0, 0]);
  });
});

/** A recogniser with batch normalisations. */
async function normalised(): Promise<string> {
  const path = place("normalised.onnx");
  const b = new GraphBuilder({ name: "normalised", opset: 18 });
  const o = ops(b);
  const stream = random("normalised", 1);
  const drawn = (dims: readonly number[], spread: number, middle = 0): string =>
    o.floats(
      Float32Array.from({ length: dims.reduce((one, two) => one * two, 1) }, () => middle + spread * stream.normal()),
      dims,
    );
  const norm = (x: string, channels: number): string =>
    b.add("BatchNormalization", [
      ...[x, drawn([channels], 0.1, 1), drawn([channels], 0.1), drawn([channels], 0.1)],
      o.floats(
        Float32Array.from({ length: channels }, () => 0.5 + stream.uniform()),
        [channels],
      ),
    ]);
  const image = b.input("image", { dtype: "float32", shape: [1, 3, 16, 16] });
  const first = o.relu(norm(o.conv(image, drawn([8, 3, 3, 3], 0.2), { strides: [2, 2], pads: [1, 1, 1, 1] }), 8));
  const second = norm(o.conv(first, drawn([4, 8, 3, 3], 0.15), { strides: [2, 2], pads: [1, 1, 1, 1] }), 4);
  await writeModel(b.build([o.matmul(o.reshape(second, [1, 64]), drawn([64, 6], 0.12))]), path);
  return path;
}

/**
 * Pictures of people, some of one colour, and a recogniser that divides by its picture's deviation.
 */
async function flatFaces(): Promise<{ readonly root: string; readonly whitened: string }> {
  const root = place("faces");
  for (let at = 0; at < 24; at++) {
    const [person, flat] = [`p${Math.floor(at / 4)}`, at % 9 === 4];
    await mkdir(join(root, person), { recursive: true });
    const data = Buffer.from(
      Uint8Array.from({ length: 768 }, (_, i) => (flat ? 90 : (i * (31 + at) + 60 * (at % 3) * (i % 3)) & 255)),
    );
    await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toFile(join(root, person, `${at}.png`));
  }
  const whitened = place("whitened.onnx");
  await writeWhitened(whitened);
  expect((await readFile(whitened)).length).toBeGreaterThan(1000);
  return { root, whitened };
}
