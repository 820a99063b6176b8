import { beforeAll, expect, it } from "vitest";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { type FaceData, openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { alone } from "../../src/ranks.ts";
import { trainingOptions } from "../../src/training/options/options.ts";
import { type Anchors, openAnchors } from "../../src/training/steps/anchors.ts";
import { beginSteps, embedTargets, type PreparedStep, prepareSteps } from "../../src/training/steps/batches.ts";
import { teacherSession } from "../../src/training/steps/session.ts";
import { openTargets, type Targets } from "../../src/training/steps/targets.ts";
import { tinySize } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const model = tinyModelIn(temporaryFolder("petalface-begin-"));
let backbone: Backbone;
let data: FaceData;
beforeAll(async () => {
  backbone = await openBackbone(model);
  data = await openData("synthetic:people=6,images=2,seed=2");
});

const options = trainingOptions({ batch: 4, lrPixels: [4, 6], epochs: 2, loss: "distil+anchors" });
const thread = { lost: () => undefined, back: () => undefined, failed: () => undefined };
const task = (load: ReturnType<typeof openLoader>["load"], ranks = alone) => ({
  ...{ data, options, steps: 6, ranks },
  loader: { size: tinySize, load, used: (face: number) => face },
});

/** The targets of a run's draws and its anchors, in the order of the steps. */
async function taught(
  batches: Iterable<Promise<PreparedStep>>,
  source: { readonly targets: Targets; readonly anchors: Anchors },
): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for await (const batch of batches) {
    await embedTargets(source, batch);
    for (const { index, flip } of batch.draws) {
      const row = new Float32Array(backbone.width);
      source.targets.read(index, flip, row, 0);
      found.push(row);
    }
    found.push(source.anchors.rows.slice());
  }
  return found;
}

it("has the same targets and anchors to the bit, begun ahead in a thread of its own or step by step", async () => {
  const load = openLoader({ size: tinySize, threads: 0 });
  const run = task(load.load);
  const all: Float32Array[][] = [];
  for (const ownThread of [undefined, thread]) {
    const targets = openTargets(backbone, data.length, { threads: 1, ...(ownThread && { ownThread }) });
    const anchors = openAnchors(run, targets, backbone.width);
    const kept = { targets, anchors, prefix: undefined };
    all.push(await taught(ownThread ? beginSteps(run, kept, 0) : prepareSteps(run, kept, 0), kept));
    await targets.close();
  }
  await load.close();
  expect(all[0]).toHaveLength(6 * 5);
  expect(all[0]?.every((row) => row.some((value) => value !== 0))).toBe(true);
  expect(all[1]).toEqual(all[0]);
});

/** Targets and anchors that only note what they are asked for. */
function noting() {
  const asked: string[] = [];
  const note =
    (what: string) =>
    (...given: readonly unknown[]): Promise<void> => {
      asked.push(`${what} ${what === "anchors" ? given[0] : (given[0] as unknown[][]).flat().length}`);
      return Promise.resolve();
    };
  const claimed = new Set<string>();
  const claim = (index: number, flip: boolean): boolean => {
    const isNew = !claimed.has(`${index} ${flip}`);
    claimed.add(`${index} ${flip}`);
    return isNew;
  };
  const kept = { targets: { claim, add: note("targets") }, anchors: { growTo: note("anchors") } };
  return { asked, kept: kept as unknown as { readonly targets: Targets; readonly anchors: Anchors } };
}

const planes = (requests: readonly unknown[]): Promise<Uint8Array<ArrayBuffer>> =>
  Promise.resolve(new Uint8Array(requests.length * 3 * tinySize * tinySize));
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("computes the targets of the first step before it is asked for, and of no other", async () => {
  const { asked, kept } = noting();
  const batches = beginSteps(task(planes), kept, 3)[Symbol.iterator]();
  await settled();
  expect(asked).toEqual(["targets 4", "anchors 3"]);
  const first = await batches.next().value;
  await embedTargets(kept, first);
  expect(asked).toHaveLength(2);
  const second = await batches.next().value;
  expect([first.step, second.step]).toEqual([3, 4]);
  expect(asked).toHaveLength(2);
  await embedTargets(kept, second);
  expect(asked).toHaveLength(4);
});

it("leaves them to the step where ranks exchange targets", async () => {
  const { asked, kept } = noting();
  const ranks = { ...alone, count: 2, hosts: ["one", "one"] };
  const [first] = beginSteps(task(planes, ranks), kept, 0);
  await settled();
  expect(asked).toEqual([]);
  expect((await first)?.hasTargets).toBe(false);
});

it("throws what fails ahead where the first step is asked for", async () => {
  const { asked, kept } = noting();
  const [first] = beginSteps(
    task(() => Promise.reject(new Error("no face"))),
    kept,
    0,
  );
  await settled();
  await expect(first).rejects.toThrow("no face");
  expect(asked).toEqual([]);
});

it("gives a large teacher on the CPU a thread of its own, and no other", () => {
  const [small, large] = [{ parameters: 2 ** 20 }, { parameters: 2 ** 27 }];
  expect(teacherSession(small, { threads: 2 })).toEqual({ threads: 2 });
  expect(teacherSession(large, { threads: 2, provider: "cpu" })).toMatchObject({ threads: 2, provider: "cpu" });
  expect(teacherSession(large, { threads: 2 }).ownThread).toBeDefined();
  expect(teacherSession(large, { provider: "cuda" })).toEqual({ provider: "cuda" });
});
