import { describe, expect, test } from "vitest";
import type { Embedder } from "../../src/backbones/index.ts";
import {
  countEmbeddings,
  type EvaluationResult,
  evaluate,
  measureEmbeddings,
  measureRows,
  type PairEmbeddings,
  type Protocol,
  protocolOfPairs,
} from "../../src/evaluation/index.ts";
import type { ImageRequest } from "../../src/images/index.ts";
import { type CopyWeight, rowsOf } from "../../src/matching/index.ts";
import { fakeData, fakeEmbeddings, fakeProtocol } from "./fixtures.ts";

const list = fakeProtocol();
const data = { spec: "fake", fingerprint: "00" };
const { width } = fakeEmbeddings(list, 1);
/** Alpha of the probes: 1 as given, this at low resolution. */
const withAlpha = (rows: PairEmbeddings, alpha: number): PairEmbeddings => ({
  ...rows,
  alpha: new Float32Array(list.images.length).fill(alpha),
});
const given = fakeEmbeddings(list, 0.4);
const low = fakeEmbeddings(list, 1.2, 1);
const copies = [fakeEmbeddings(list, 0.9, 1), fakeEmbeddings(list, 1, 1)];

const measured = (weight: CopyWeight, [sharpAlpha, lowAlpha]: readonly [number, number] = [1, 0]) =>
  measureEmbeddings(list, data, withAlpha(given, sharpAlpha), new Map([["lr:16", withAlpha(low, lowAlpha)]]), {
    bootstrap: { resamples: 20 },
    copies: { sizes: [16, 12], weight, embeddings: copies },
  });

const named = (name: string) => ({ kind: "named", name: `${name}, copies` }) as const;
const outcomeOf = <K extends "verification" | "identification">(
  { detail }: EvaluationResult,
  kind: K,
  condition: { readonly kind: string; readonly name?: string },
) =>
  detail.outcomes.find(
    (outcome): outcome is Extract<typeof outcome, { readonly kind: K }> =>
      outcome.kind === kind &&
      outcome.condition.kind === condition.kind &&
      (outcome.condition.kind !== "named" || outcome.condition.name === condition.name),
  ) as Extract<EvaluationResult["detail"]["outcomes"][number], { readonly kind: K }>;

const unit = (values: ArrayLike<number>): number[] => {
  const length = Math.hypot(...Array.from(values));
  return Array.from(values, (value) => value / length);
};
const rowOf = ({ data: rows }: PairEmbeddings, at: number): number[] =>
  unit(rows.subarray(at * width, (at + 1) * width));
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, k) => sum + x * b[k], 0);
const template = (image: number, weight: number): number[] =>
  unit(
    rowOf(given, image).map(
      (value, k) => value + weight * copies.reduce((sum, copy) => sum + rowOf(copy, image)[k], 0),
    ),
  );

describe("pairs and searches with copies enrolled", () => {
  test("at weight 0 they are those of the plain gallery, bit for bit", async () => {
    for (const result of [await measured(0), await measured("alpha", [1, 1])])
      for (const [kind, plain, copied] of [
        ["verification", { kind: "mixed" }, named("mixed 16")],
        ["identification", { kind: "sharp" }, named("as given")],
        ["identification", { kind: "mixed" }, named("16")],
      ] as const) {
        const { condition: _, ...one } = outcomeOf(result, kind, plain);
        const { condition: __, ...other } = outcomeOf(result, kind, copied);
        expect(other).toEqual(one);
      }
  });

  test.each([0.25, 1])("at weight %d they are those of templates made one by one", async (weight) => {
    const result = await measured(weight);
    const { scores } = outcomeOf(result, "verification", named("mixed 16"));
    const expected = [
      ...list.pairs.map(({ first, second }) => dot(template(first, weight), rowOf(low, second))),
      ...list.pairs.map(({ first, second }) => dot(template(second, weight), rowOf(low, first))),
    ];
    expect(scores).toHaveLength(expected.length);
    expected.forEach((value, pair) => {
      expect(scores[pair]).toBeCloseTo(value, 5);
    });
    const { rank, mate } = outcomeOf(result, "identification", named("16"));
    list.probes.forEach((probe, at) => {
      const all = list.gallery.map((image) => ({
        score: dot(template(image, weight), rowOf(low, probe)),
        own: list.images[image]?.person === list.images[probe]?.person,
      }));
      const own = all.find((each) => each.own)?.score as number;
      expect(mate[at]).toBeCloseTo(own, 5);
      expect(rank[at]).toBe(1 + all.filter((each) => !each.own && each.score >= own).length);
    });
    expect(result.copies).toEqual({ sizes: [16, 12], weight });
  });

  test("a weight that follows a constant alpha is a fixed one", async () => {
    const [following, fixed] = [await measured("alpha", [0.75, 0.75]), await measured(0.25)];
    expect(following.measures).toEqual(fixed.measures);
    const scoresOf = (result: EvaluationResult) => outcomeOf(result, "verification", named("as given")).scores;
    expect(scoresOf(following)).toEqual(scoresOf(fixed));
  });

  test("each probe has its own weight", async () => {
    const mixed = await measured("alpha", [1, 0.5]);
    const { scores } = outcomeOf(mixed, "verification", named("mixed 16"));
    expect(scores[0]).toBeCloseTo(
      dot(template(list.pairs[0]?.first ?? 0, 0.5), rowOf(low, list.pairs[0]?.second ?? 0)),
      5,
    );
    expect(outcomeOf(mixed, "identification", named("as given")).rank).toEqual(
      outcomeOf(mixed, "identification", { kind: "sharp" }).rank,
    );
  });

  test("a weight cannot follow an alpha that the model does not judge", async () => {
    const options = { copies: { sizes: [16], weight: "alpha" as const, embeddings: [low] } };
    await expect(measureEmbeddings(list, data, given, new Map(), options)).rejects.toThrow(/cannot follow alpha/);
  });
});

describe("templates of several faces with copies enrolled", () => {
  // Items: 0 and 1 are probes; 2 (two frames of one video and a photo) and 3 are enrolled.
  const items = ["probe a", "probe b", "enrolled a", "enrolled b"];
  const faces = fakeData(6, 1);
  const protocol: Protocol = {
    kind: "test",
    name: "test",
    fingerprint: "0",
    data: faces,
    people: 2,
    fusion: "none",
    faces: Int32Array.of(0, 1, 2, 3, 4, 5),
    item: Int32Array.of(0, 1, 2, 2, 2, 3),
    media: Int32Array.of(0, 1, 2, 2, 3, 4),
    weight: Float32Array.of(1, 1, 0.5, 1, 2, 1),
    items,
    person: Int32Array.of(0, 1, 0, 1),
    comparisons: [
      {
        name: "1:1",
        first: Int32Array.of(2, 2, 3, 3),
        second: Int32Array.of(0, 1, 0, 1),
        same: Uint8Array.of(1, 0, 0, 1),
        enrolled: "first" as const,
      },
    ],
    searches: [{ name: "1:N", probes: Int32Array.of(0, 1), gallery: Int32Array.of(2, 3) }],
    choice: { fars: [0.5], ranks: [1], fpirs: [], fpirRanks: [1] },
  };
  const embedding = (face: number, side: number): number[] =>
    [0, 1, 2].map((k) => Math.sin(1 + face * (k + 2) + side) + (k === face % 3 ? 1 : 0));
  const places = Int32Array.of(2, 3, 4, 5);
  const rows = (which: Int32Array, side: number) =>
    rowsOf(Float32Array.from([...which].flatMap((face) => embedding(face, side))), 3);
  const pooled = (item: number, side: number): number[] => {
    if (item === 3) return unit(embedding(5, side));
    const [one, two, three] = [2, 3, 4].map((face) => embedding(face, side)) as [number[], number[], number[]];
    return unit(one.map((value, k) => (0.5 * value + two[k]) / 2 + 2 * three[k]));
  };

  test("copies of one size are pooled as the photos are, and count at unit length", async () => {
    const result = await measureRows(protocol, rows(protocol.faces, 0), {
      bootstrap: { resamples: 10 },
      copies: { sizes: [16, 12], weight: 0.5, places, rows: [rows(places, 16), rows(places, 12)] },
    });
    const enrolled = (item: number): number[] =>
      unit(pooled(item, 0).map((v, k) => v + 0.5 * (pooled(item, 16)[k] + pooled(item, 12)[k])));
    const { scores } = outcomeOf(result, "verification", named("1:1"));
    [
      [2, 0],
      [2, 1],
      [3, 0],
      [3, 1],
    ].forEach(([item, probe], pair) => {
      expect(scores[pair]).toBeCloseTo(dot(enrolled(item), unit(embedding(probe, 0))), 5);
    });
    const { mate, other } = outcomeOf(result, "identification", named("1:N"));
    expect([mate[0], other[0]]).toEqual([
      expect.closeTo(dot(enrolled(2), unit(embedding(0, 0))), 5),
      expect.closeTo(dot(enrolled(3), unit(embedding(0, 0))), 5),
    ]);
  });

  test("a face whose copy has no finite embedding is left out everywhere", async () => {
    const broken = rowsOf(
      Float32Array.from([...places].flatMap((face) => (face === 4 ? [Number.NaN, 0, 0] : embedding(face, 16)))),
      3,
    );
    const result = await measureRows(protocol, rows(protocol.faces, 0), {
      copies: { sizes: [16], weight: 0.5, places, rows: [broken] },
    });
    expect(result.leftOut?.faces).toEqual(["p4/0.png"]);
    const own = unit([0, 1, 2].map((k) => 0.5 * embedding(2, 0)[k] + embedding(3, 0)[k]));
    expect(outcomeOf(result, "verification", named("1:1")).scores[0]).not.toBeNaN();
    expect(outcomeOf(result, "verification", { kind: "named", name: "1:1" }).scores[0]).toBeCloseTo(
      dot(own, unit(embedding(0, 0))),
      5,
    );
  });
});

describe("evaluating with copies", () => {
  const pairs = protocolOfPairs(fakeProtocol(60, 2), fakeData(80, 3));
  const loader = (seen: ImageRequest[]) => ({
    async load(requests: readonly ImageRequest[]) {
      seen.push(...requests);
      const out = new Uint8Array(requests.length * 12);
      requests.forEach(({ source, degrade }, i) => {
        if (source.kind === "synthetic")
          out.set([source.person, source.image, degrade?.kind === "lr" ? degrade.pixels : 0], i * 12);
      });
      return out;
    },
  });
  const model: Embedder = {
    size: 112,
    width: 3,
    batch: 16,
    async embed(pixels, count) {
      const rows = Array.from({ length: count }, (_, i) => [...pixels.subarray(12 * i, 12 * i + 3)]);
      const data = Float32Array.from(
        rows.flatMap(([person = 0, image = 0, side = 0]) => [1 + person, Math.cos(person) + image / 9, 1 + side]),
      );
      return { count, width: 3, data, alpha: Float32Array.from(rows, ([, , side]) => (side === 0 ? 1 : 0)) };
    },
    async close() {},
  };

  test("copies that are measured as well are embedded once, others for enrolled faces only", async () => {
    const seen: ImageRequest[] = [];
    const done: number[] = [];
    const options = {
      protocol: pairs,
      degradations: ["lr:12", "lr:16"],
      copies: { sizes: [16, 8], weight: "alpha" as const },
    };
    const result = await evaluate({
      ...options,
      model,
      loader: loader(seen),
      bootstrap: { resamples: 5 },
      onProgress: (progress) => done.push(progress.done),
    });
    const images = pairs.items.length;
    expect(seen).toHaveLength(4 * images);
    expect(new Set(seen.map((request) => JSON.stringify(request))).size).toBe(4 * images);
    expect(countEmbeddings(options)).toBe(4 * images);
    expect(done.at(-1)).toBe(4 * images);
    expect(done.every((value, at) => at === 0 || value > done[at - 1])).toBe(true);
    expect(result.measures.map(({ key }) => key)).toEqual(
      expect.arrayContaining(["rank1/named:16, copies", "rank1/named:12, copies", "accuracy/named:mixed 12, copies"]),
    );
    const plain = await evaluate({
      ...options,
      copies: undefined,
      model,
      loader: loader([]),
      bootstrap: { resamples: 5 },
    });
    const isPlain = ({ key }: { readonly key: string }): boolean => !key.endsWith(", copies");
    expect(result.measures.filter(isPlain)).toEqual(plain.measures);
  });

  test("only the gallery of a search has copies", () => {
    const search: Protocol = {
      ...pairs,
      comparisons: [],
      degradable: "probes",
    };
    const copies = { sizes: [16, 8], weight: 0.25 };
    const gallery = search.searches[0]?.gallery.length ?? 0;
    expect(countEmbeddings({ protocol: search, degradations: ["lr:16"], copies })).toBe(
      2 * search.faces.length + 2 * gallery,
    );
  });
});
