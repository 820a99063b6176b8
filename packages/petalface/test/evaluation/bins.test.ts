import { expect, it } from "vitest";
import { measureEmbeddings, printQualityBins, qualityBins } from "../../src/evaluation/index.ts";
import { buildProtocol } from "../../src/evaluation/protocol.ts";

const people = 40;
const width = people;

/** Two photos a person; in each fold pairs of one person and of neighbours. */
const protocol = buildProtocol(
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

it("shows that errors lie where quality is poor, and that the gate bought its gain there", async () => {
  // Degraded photos of the first half of the people are lost on the frozen model, and known to be poor.
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
  expect(() => qualityBins(plain, plain, 4)).toThrow("give --adapter");
});
