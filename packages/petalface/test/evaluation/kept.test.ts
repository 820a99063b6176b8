import { describe, expect, test } from "vitest";
import type { Embedder } from "../../src/backbones/index.ts";
import {
  createKeptGallery,
  type EvaluationResult,
  evaluate,
  measureEmbeddings,
  type PairEmbeddings,
  protocolOfPairs,
} from "../../src/evaluation/index.ts";
import type { ImageRequest } from "../../src/images/index.ts";
import { fakeData, fakeEmbeddings, fakeProtocol } from "./fixtures.ts";

const list = fakeProtocol();
const data = { spec: "fake", fingerprint: "00" };
const { width } = fakeEmbeddings(list, 1);
const [frozen, given, low] = [fakeEmbeddings(list, 0.4), fakeEmbeddings(list, 0.7, 1), fakeEmbeddings(list, 1.2, 1)];
const options = { bootstrap: { resamples: 20 } };
const degraded = new Map([["lr:16", low]]);

/** The scores, ranks and so on of a condition by its name in `measures` without the measure's kind. */
function outcomeOf({ detail }: EvaluationResult, kind: "verification" | "identification", name: string) {
  const found = detail.outcomes.find(
    ({ kind: each, condition }) =>
      each === kind && (condition.kind === "named" ? condition.name : condition.kind) === name,
  );
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}

const rowOf = ({ data: rows }: PairEmbeddings, at: number): number[] => {
  const values = Array.from(rows.subarray(at * width, (at + 1) * width));
  return values.map((value) => value / Math.hypot(...values));
};
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, k) => sum + x * (b[k] ?? 0), 0);

describe("a gallery that another model enrolled", () => {
  test("is the plain one, bit for bit, where it is the same model's", async () => {
    const result = await measureEmbeddings(list, data, given, degraded, { ...options, kept: given });
    for (const [kind, plain, kept] of [
      ["verification", "mixed", "mixed 16, gallery kept"],
      ["identification", "sharp", "as given, gallery kept"],
      ["identification", "mixed", "16, gallery kept"],
    ] as const) {
      const { condition: _, ...one } = outcomeOf(result, kind, plain);
      const { condition: __, ...other } = outcomeOf(result, kind, kept);
      expect(other).toEqual(one);
    }
  });

  test("is compared with the probes of the model that is measured", async () => {
    const result = await measureEmbeddings(list, data, given, degraded, { ...options, kept: frozen });
    for (const [name, probes] of [
      ["as given, gallery kept", given],
      ["mixed 16, gallery kept", low],
    ] as const) {
      const outcome = outcomeOf(result, "verification", name);
      const expected = [
        ...list.pairs.map(({ first, second }) => dot(rowOf(frozen, first), rowOf(probes, second))),
        ...list.pairs.map(({ first, second }) => dot(rowOf(frozen, second), rowOf(probes, first))),
      ];
      const scores = outcome.kind === "verification" ? outcome.scores : [];
      expect(scores).toHaveLength(expected.length);
      expected.forEach((value, pair) => {
        expect(scores[pair]).toBeCloseTo(value, 5);
      });
    }
    const searched = outcomeOf(result, "identification", "16, gallery kept");
    list.probes.forEach((probe, at) => {
      const all = list.gallery.map((image) => ({
        score: dot(rowOf(frozen, image), rowOf(low, probe)),
        own: list.images[image]?.person === list.images[probe]?.person,
      }));
      const own = all.find((each) => each.own)?.score ?? Number.NaN;
      const rank = 1 + all.filter((each) => !each.own && each.score >= own).length;
      expect(searched.kind === "identification" && searched.rank[at]).toBe(rank);
    });
  });

  test("changes nothing else, and comes after the plain conditions", async () => {
    const plain = await measureEmbeddings(list, data, given, degraded, options);
    const result = await measureEmbeddings(list, data, given, degraded, { ...options, kept: frozen });
    const isPlain = ({ key }: { readonly key: string }): boolean => !key.endsWith(", gallery kept");
    expect(result.measures.filter(isPlain)).toEqual(plain.measures);
    const ranks = result.measures.filter(({ kind }) => kind === "rank1").map(({ key }) => key);
    expect(ranks).toEqual([
      ...["rank1/sharp", "rank1/mixed:16"],
      ...["rank1/named:as given, gallery kept", "rank1/named:16, gallery kept"],
    ]);
  });

  test("a face that has no finite embedding there is left out everywhere", async () => {
    const damaged = { ...frozen, data: frozen.data.slice().fill(Number.NaN, 0, width) };
    const result = await measureEmbeddings(list, data, given, degraded, { ...options, kept: damaged });
    expect(result.leftOut?.faces).toEqual([list.images[0]?.id]);
  });
});

test("models measured one by one share the first one's gallery, and nothing more is embedded", async () => {
  const protocol = protocolOfPairs(fakeProtocol(60, 2), fakeData(80, 3));
  const seen: ImageRequest[] = [];
  const loader = {
    async load(requests: readonly ImageRequest[]) {
      seen.push(...requests);
      return Uint8Array.from(
        requests.flatMap(({ source, degrade }) => {
          const side = degrade?.kind === "lr" ? degrade.pixels : 0;
          return source.kind === "synthetic"
            ? [source.person, source.image, side, ...new Array<number>(9).fill(0)]
            : [];
        }),
      );
    },
  };
  const model = (turn: number): Embedder => ({
    size: 2,
    width: 3,
    batch: 16,
    async embed(pixels, count) {
      const rows = Array.from({ length: count }, (_, i) => [...pixels.subarray(12 * i, 12 * i + 3)]);
      const numbers = rows.flatMap(([person = 0, image = 0, side = 0]) => [
        ...[Math.cos(turn + person + image / 40), Math.sin(turn + person + image / 40), side / 20],
      ]);
      return { count, width: 3, data: Float32Array.from(numbers) };
    },
    async close() {},
  });
  const gallery = createKeptGallery();
  const measure = (turn: number) =>
    evaluate({ model: model(turn), protocol, loader, gallery, degradations: ["lr:16"], ...options });
  const [first, second] = [await measure(0), await measure(2)];
  expect(seen).toHaveLength(4 * protocol.items.length);
  const value = (result: EvaluationResult, key: string) => result.measures.find((each) => each.key === key)?.value;
  expect(value(first, "rank1/named:as given, gallery kept")).toBe(value(first, "rank1/sharp"));
  // The second model turns all embeddings: people are found among its own, not among the first's.
  expect(value(second, "rank1/sharp")).toBe(value(first, "rank1/sharp"));
  expect(value(second, "rank1/named:as given, gallery kept")).toBeLessThan(value(first, "rank1/sharp") ?? 0);
});
