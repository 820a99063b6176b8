import { expect, test } from "vitest";
import { openData } from "../../../src/data/index.ts";
import {
  givenFaces,
  measureEmbeddings,
  measureResolution,
  printIdentical,
  printResolution,
  printTable,
  protocolOfPairs,
  syntheticPairs,
  withoutDetail,
} from "../../../src/evaluation/index.ts";
import { openLoader } from "../../../src/images/index.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

const protocol = fakeProtocol();
const data = { spec: "fake", fingerprint: "00" };
const given = fakeEmbeddings(protocol, 0.4);
const options = { bootstrap: { resamples: 10 } };

test("faces as given are called sharp only where that was measured", async () => {
  const result = await measureEmbeddings(protocol, data, given, new Map(), options);
  const part = { looked: 9, low: 12, high: 16 };
  const probes = { role: "probes", median: 14, sharp: false, ...part } as const;
  const gallery = { role: "gallery", median: 80, sharp: true, ...part } as const;
  expect(givenFaces(result)).toBe("faces as given");
  expect(givenFaces({ resolution: [gallery, probes] })).toBe("faces as given (14 px)");
  expect(givenFaces({ resolution: [gallery, { ...probes, sharp: true }] })).toBe("sharp faces");
  expect(printResolution({ resolution: [gallery, probes] })).toMatch(/gallery 80 px.*which is sharp; probes 14 px/);
  const table = printTable([{ name: "frozen", result: { ...result, resolution: [gallery, probes] } }]);
  expect(table).toMatch(/as given: faces as they are in the data, gallery 80 px/);
  expect(table).toContain("rank-1: probes whose own person comes first in the gallery");
  expect(table).not.toMatch(/sharp(?!;)|mixed|\bLR\b/);
  const low = await measureEmbeddings(protocol, data, given, new Map([["lr:16", given]]), options);
  expect(printTable([{ name: "frozen", result: low }])).toContain("LR k: both faces shrunk to k x k px");
  expect(withoutDetail(result).measures[0]).toMatchObject({ key: "accuracy/sharp", label: "accuracy as given" });
});

test("the resolution of synthetic faces is that of smooth ones", async () => {
  const faces = await openData("synthetic:people=12,images=2,seed=2");
  const pairs = protocolOfPairs(syntheticPairs(faces, { pairs: 20, folds: 2 }), faces);
  await using loader = openLoader({ size: 112, threads: 0 });
  const [found, ...others] = await measureResolution({ protocol: pairs, loader, size: 112 });
  expect(others).toEqual([]);
  expect(found).toMatchObject({ role: "faces", looked: pairs.items.length, sharp: false });
  expect(found?.median).toBeGreaterThan(18);
  expect(found?.median).toBeLessThan(40);
});

test("kept bits are counted over all faces and over those with alpha 1", async () => {
  const alpha = Float32Array.from(protocol.images, (_, image) => (image % 4 === 0 ? 0.5 : 1));
  const changed = given.data.map((value, i) => (Math.floor(i / given.width) % 4 === 0 ? value * 2 : value));
  const frozen = await measureEmbeddings(protocol, data, given, new Map(), options);
  const adapted = { ...given, data: changed, alpha };
  const { identical } = await measureEmbeddings(protocol, data, adapted, new Map(), { ...options, frozen });
  const count = alpha.filter((value) => value === 1).length;
  expect(identical?.images).toBeCloseTo(count / alpha.length, 12);
  expect(identical?.atAlphaOne).toEqual({ images: 1, count });
  const share = (Math.floor((1000 * count) / alpha.length) / 10).toFixed(1);
  expect(identical && printIdentical(identical, alpha.length)).toContain(
    `${share} % of all ${alpha.length}; 100.0 % of the ${count} with alpha 1`,
  );
});
