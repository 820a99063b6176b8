import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findSites, initialTheta, layoutOf, saveAdapter, selectSites } from "../../../src/adapters/index.ts";
import { openBackbone } from "../../../src/backbones/index.ts";
import { measureEmbeddings, printQualityBins, qualityBins } from "../../../src/evaluation/index.ts";
import { buildPairList } from "../../../src/evaluation/protocols/pairs.ts";
import { petalface } from "../../cli/process.ts";
import { writeTinyBackbone } from "../../support/backbone.ts";

const people = 40;
const width = people;

/** Two photos a person; in each fold pairs of one person and of neighbours. */
const protocol = buildPairList(
  "made",
  Array.from({ length: people }, (_, i) => {
    const side = (person: number, image: number) => ({ id: `${person}/${image}`, person: `${person}` });
    const fold = i % 2;
    // Neighbours within a fold, so that people do not meet across folds.
    return [
      { first: side(i, 0), second: side(i, 1), same: true, fold },
      { first: side(i, 0), second: side((i + 2) % people, 1), same: false, fold },
    ];
  }).flat(),
);

/** Unit vectors of people; a lost face is the vector of everybody. */
function embeddings(lost: (image: number) => boolean, alpha?: Float32Array) {
  const data = new Float32Array(protocol.images.length * width);
  protocol.images.forEach(({ person }, image) => {
    if (lost(image)) data.fill(1 / Math.sqrt(width), image * width, (image + 1) * width);
    else data[image * width + person] = 1;
  });
  return { width, data, ...(alpha && { alpha }) };
}

const data = { spec: "made", fingerprint: "made" };
const alphaOf = (values: (image: number) => number): Float32Array =>
  Float32Array.from({ length: protocol.images.length }, (_, image) => values(image));

it("shows that errors lie where quality is poor, and that the adapter gains there", async () => {
  // Degraded photos of the first half of the people are lost on the frozen model, and known to be
  // poor.
  const poor = (image: number): boolean => (protocol.images[image]?.person ?? 0) < people / 2;
  const sharp = embeddings(() => false);
  const frozen = await measureEmbeddings(protocol, data, sharp, new Map([["lr:16", embeddings(poor)]]));
  const adapted = await measureEmbeddings(
    protocol,
    data,
    { ...sharp, alpha: alphaOf(() => 1) },
    new Map([
      [
        "lr:16",
        embeddings(
          () => false,
          alphaOf((image) => (poor(image) ? 0.1 : 0.9)),
        ),
      ],
    ]),
  );
  const found = qualityBins(frozen, adapted, 2);
  expect(found.conditions).toHaveLength(3);
  const [zero, low, high, one] = found.bins;
  expect(zero?.comparisons).toBe(0);
  expect(zero?.adapted).toBeNaN();
  // Sharp pairs only, all right for both.
  expect(one).toMatchObject({ comparisons: 80, genuine: 40, frozen: 1, adapted: 1 });
  expect(high).toMatchObject({ frozen: 1, adapted: 1 });
  expect(low?.adapted).toBe(1);
  expect(low?.frozen).toBeLessThan(0.8);
  expect(found.bins.reduce((sum, { comparisons }) => sum + comparisons, 0)).toBe(80 * 4);
  // Rejecting the poor half takes the frozen model's misses away.
  expect(found.rejects[0]).toMatchObject({ rejected: 0, adapted: 0 });
  expect(found.rejects[0]?.frozen).toBeGreaterThan(0.1);
  expect(found.rejects.find(({ rejected }) => rejected === 0.5)?.frozen).toBe(0);
  expect(printQualityBins(found).bins[1]).toEqual(["exactly 0", "0", "0", "-", "-", "-"]);
});

it("needs a model that judges quality", async () => {
  const plain = await measureEmbeddings(
    protocol,
    data,
    embeddings(() => false),
    new Map(),
  );
  expect(() => qualityBins(plain, plain, 4)).toThrow("give 'adapter'");
});

it("evaluate --bins quality prints both tables", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-bins-"));
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  const backbone = await openBackbone(model);
  const config = {
    ...({ method: "lora", gate: "low", rank: 4, scale: 1 } as const),
    sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "resolution", low: 12, high: 40 },
  };
  const theta = await initialTheta(backbone, layoutOf(backbone, config), 1);
  await saveAdapter(join(folder, "adapter"), backbone, { config, theta });
  const args = ["evaluate", "--model", model, "--adapter", join(folder, "adapter"), "--bins", "quality"];
  const faces = ["--data", "synthetic:people=20,images=2,seed=3", "--protocol", "drawn:pairs=40,folds=2"];
  const { code, stdout, stderr } = await petalface([...args, ...faces, "--resamples", "20", "--threads", "1"]);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/alpha +comparisons +genuine +frozen +adapted +gain/);
  // An adapter that is not trained yet buys nothing.
  expect(stdout).toMatch(/exactly 1 +\d+ +\d+ +[\d.-]+ +[\d.-]+ +(?:0\.00|-)/);
  expect(stdout).toContain("lowest quality rejected");
  await rm(folder, { recursive: true, force: true });
});
