import { describe, expect, test } from "vitest";
import { measureEmbeddings, printTable, withoutDetail } from "../../src/evaluation/index.ts";
import { fakeEmbeddings, fakeProtocol } from "./fixtures.ts";

const protocol = fakeProtocol();
const data = { spec: "fake", fingerprint: "00" };
const sharp = fakeEmbeddings(protocol, 0.4);
const low = fakeEmbeddings(protocol, 1.2);
const result = await measureEmbeddings(protocol, data, sharp, new Map([["lr:16", low]]), {
  bootstrap: { resamples: 200 },
});
const value = (key: string) => result.measures.find((m) => m.key === key)?.value;

const cosine = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
  let [dot, aa, bb] = [0, 0, 0];
  for (let k = 0; k < sharp.width; k++) {
    const [x, y] = [a[i * sharp.width + k], b[j * sharp.width + k]];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
};

describe("measures", () => {
  test("every condition has its measures", () => {
    expect(result.measures.map((m) => m.key)).toEqual([
      ...["accuracy", "auc", "eer", "tar@0.1"].flatMap((m) => [`${m}/sharp`]),
      "tar@0.01/sharp",
      ...["accuracy", "auc", "eer", "tar@0.1", "tar@0.01"].map((m) => `${m}/lr:16`),
      ...["accuracy", "auc", "eer", "tar@0.1", "tar@0.01"].map((m) => `${m}/mixed:16`),
      "rank1/sharp",
      "rank1/mixed:16",
    ]);
  });

  test("rates that the impostors cannot resolve are listed, not guessed; support is told", () => {
    expect(protocol.pairs.filter((p) => !p.same)).toHaveLength(120);
    expect(result.measures.find((m) => m.key === "tar@0.01/sharp")?.support).toBe(1);
    expect(result.measures.find((m) => m.key === "tar@0.01/mixed:16")?.support).toBe(2);
    expect(result.unresolved).toContainEqual({ far: 0.001, condition: { kind: "sharp" }, impostors: 120 });
    expect(result.unresolved).toHaveLength(6);
  });

  test("AUC of mixed pairs takes both roles", () => {
    const scores = protocol.pairs.flatMap(({ first, second, same }) => [
      { same, score: cosine(sharp.data, first, low.data, second) },
      { same, score: cosine(low.data, first, sharp.data, second) },
    ]);
    const genuine = scores.filter((s) => s.same);
    const impostor = scores.filter((s) => !s.same);
    const wins = genuine.reduce((sum, g) => sum + impostor.filter((i) => i.score < g.score).length, 0);
    expect(value("auc/mixed:16")).toBeCloseTo(wins / (genuine.length * impostor.length), 5);
  });

  test("rank-1 compares degraded probes with the sharp gallery", () => {
    const hits = protocol.probes.filter((probe) => {
      const best = protocol.gallery.toSorted(
        (a, b) => cosine(low.data, probe, sharp.data, b) - cosine(low.data, probe, sharp.data, a),
      )[0];
      return protocol.images[best]?.person === protocol.images[probe]?.person;
    });
    expect(value("rank1/mixed:16")).toBeCloseTo(hits.length / protocol.probes.length, 9);
  });

  test("intervals hold the value, errors are positive, order is plausible", () => {
    for (const m of result.measures) {
      expect(m.low).toBeLessThanOrEqual(m.value);
      expect(m.high).toBeGreaterThanOrEqual(m.value);
      expect(m.high).toBeLessThanOrEqual(1);
    }
    expect(value("accuracy/sharp")).toBeGreaterThan(value("accuracy/mixed:16") as number);
    expect(value("accuracy/mixed:16")).toBeGreaterThan(value("accuracy/lr:16") as number);
  });

  test("perfect embeddings are perfect, equal ones are chance and rank-1 zero", async () => {
    const perfect = await measureEmbeddings(protocol, data, fakeEmbeddings(protocol, 0, 1, 64), new Map(), {
      bootstrap: { resamples: 20 },
    });
    for (const key of ["accuracy/sharp", "auc/sharp", "tar@0.01/sharp", "rank1/sharp"])
      expect(perfect.measures.find((m) => m.key === key)).toMatchObject({
        value: 1,
        low: 1,
        high: 1,
        standardError: 0,
      });
    const constant = await measureEmbeddings(
      protocol,
      data,
      { width: 2, data: new Float32Array(protocol.images.length * 2).fill(1) },
      new Map(),
      { bootstrap: { resamples: 20 } },
    );
    expect(constant.measures.map((m) => [m.key, m.value])).toEqual([
      ["accuracy/sharp", 0.5],
      ["auc/sharp", 0.5],
      ["eer/sharp", 0.5],
      ["tar@0.1/sharp", 0],
      ["tar@0.01/sharp", 0],
      ["rank1/sharp", 0],
    ]);
  });

  test("same input, same numbers; scale of the embeddings does not matter", async () => {
    const scaled = { width: sharp.width, data: sharp.data.map((x) => x * 4) };
    const again = await measureEmbeddings(protocol, data, scaled, new Map([["lr:16", low]]), {
      bootstrap: { resamples: 200 },
    });
    expect(withoutDetail(again)).toEqual(withoutDetail(result));
  });

  test("a different seed moves the interval, not the value", async () => {
    const other = await measureEmbeddings(protocol, data, sharp, new Map(), { bootstrap: { resamples: 200, seed: 2 } });
    const [a, b] = [result, other].map((r) => r.measures.find((m) => m.key === "auc/sharp"));
    expect(a?.value).toBe(b?.value);
    expect(a?.standardError).not.toBe(b?.standardError);
  });

  test("embeddings that do not fit are refused", async () => {
    await expect(measureEmbeddings(protocol, data, { width: 8, data: new Float32Array(8) }, new Map())).rejects.toThrow(
      /are 8 numbers/,
    );
    const narrow = { width: 4, data: new Float32Array(protocol.images.length * 4) };
    await expect(measureEmbeddings(protocol, data, sharp, new Map([["lr:16", narrow]]))).rejects.toThrow(
      /4 a face; expected .* x 8/,
    );
  });
});

test("an embedding that is not finite under any condition leaves all of them, with its pairs", async () => {
  const bad = 2;
  const id = protocol.images[bad]?.id ?? "";
  const options = { bootstrap: { resamples: 10 } };
  const broken = { ...low, data: low.data.with(bad * low.width, Number.NaN) };
  const lost = await measureEmbeddings(protocol, data, sharp, new Map([["lr:16", broken]]), options);
  expect(lost.leftOut).toMatchObject({ count: 1, faces: [id] });
  expect(lost.protocol.fingerprint).not.toBe(result.protocol.fingerprint);
  const pairs = protocol.pairs.filter(({ first, second }) => first !== bad && second !== bad).length;
  expect(lost.measures.find(({ key }) => key === "accuracy/sharp")?.count).toBe(pairs);
  expect(lost.measures.find(({ key }) => key === "accuracy/mixed:16")?.count).toBe(2 * pairs);
  expect(lost.detail.digests[bad]).toBe("");
  const early = await measureEmbeddings(protocol, data, sharp, new Map([["lr:16", low]]), {
    ...options,
    leave: lost.leftOut,
  });
  expect(early.measures).toEqual(lost.measures);
});

test("the share of untouched embeddings is counted bit for bit", async () => {
  const touched = sharp.data.slice();
  const pair = protocol.pairs[0];
  touched[pair.first * sharp.width] *= 1 + 2 ** -23;
  const options = { bootstrap: { resamples: 10 }, frozen: result };
  const same = await measureEmbeddings(protocol, data, sharp, new Map(), options);
  const other = await measureEmbeddings(protocol, data, { width: 8, data: touched }, new Map(), options);
  const images = protocol.images.length;
  const using = protocol.pairs.filter((p) => p.first === pair.first || p.second === pair.first).length;
  expect(same.identical).toEqual({ images: 1, pairs: 1 });
  expect(other.identical?.images).toBeCloseTo((images - 1) / images, 12);
  expect(other.identical?.pairs).toBeCloseTo(1 - using / protocol.pairs.length, 12);
  const elsewhere = await measureEmbeddings(
    fakeProtocol(200),
    data,
    fakeEmbeddings(fakeProtocol(200), 0.4),
    new Map(),
    {
      bootstrap: { resamples: 1 },
    },
  );
  await expect(measureEmbeddings(protocol, data, sharp, new Map(), { frozen: elsewhere })).rejects.toThrow(
    /same pairs/,
  );
});

test("the table has a line a measure and a column a model, and no control characters of names", async () => {
  const table = printTable([
    { name: "frozen", result },
    {
      name: "evil\u001b[31m\u0007",
      result: await measureEmbeddings(protocol, data, sharp, new Map(), { bootstrap: { resamples: 5 } }),
    },
  ]);
  const m = result.measures.find(({ key }) => key === "accuracy/mixed:16");
  expect(table).toContain(
    `${((m?.value ?? 0) * 100).toFixed(2)} ± ${((((m?.high ?? 0) - (m?.low ?? 0)) / 2) * 100).toFixed(2)}`,
  );
  expect(table).toMatch(/accuracy mixed 16 .*-/);
  expect(table).toMatch(/rank-1 as given/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point
  expect(table).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});
