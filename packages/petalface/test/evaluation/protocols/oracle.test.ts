import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  measureRows,
  namedProtocols,
  type Protocol,
  readVerificationPairs,
  referenceVerification,
} from "../../../src/evaluation/index.ts";
import { normaliseRows, rowsOf } from "../../../src/matching/index.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "../../../src/tensors/index.ts";
import { shared } from "../../images/helpers.ts";

const formats = shared("oracle", "formats");
const json = (path: string) => JSON.parse(readFileSync(join(formats.path, path), "utf8"));
const tensorsOf = async (path: string) => {
  const { tensors } = await readSafetensors(join(formats.path, path));
  return (name: string) => tensors.get(name) as StoredTensor;
};
const open = (name: string, data: string, lists?: string): Promise<Protocol> => {
  const found = namedProtocols.find((entry) => entry.name === name)?.open;
  if (found === undefined) throw new Error(name);
  return found({ data, lists });
};

describe.skipIf(!formats.exists)(
  "the reference evaluators' numbers, protocol by protocol (needs PETALFACE_SHARED)",
  () => {
    test.each([
      ["aligned copies, names alone", "tinyface/tinyface_aligned_112", undefined],
      ["aligned copies, official lists", "tinyface/tinyface_aligned_112", "tinyface/tinyface/Testing_Set"],
      ["the data set itself", "tinyface/tinyface", undefined],
    ])("TinyFace: %s", async (_, folder, lists) => {
      const expected = json("tinyface/expected.json");
      const protocol = await open(
        "tinyface",
        join(formats.path, folder),
        lists === undefined ? undefined : join(formats.path, lists),
      );
      const rows: readonly string[] = expected.feature_rows;
      const features = toFloat32((await tensorsOf("tinyface/features.safetensors"))("features"));
      const width = features.length / rows.length;
      const chosen = Array.from(protocol.faces, (face) => rows.indexOf(protocol.data.at(face).id));
      expect(chosen).not.toContain(-1);
      expect(protocol.person.filter((who) => who < 0)).toHaveLength(expected.distractors.length);
      const taken = new Float32Array(chosen.length * width);
      chosen.forEach((row, at) => {
        taken.set(features.subarray(row * width, (row + 1) * width), at * width);
      });
      const { measures, protocol: summary } = await measureRows(protocol, rowsOf(taken, width), {
        bootstrap: { resamples: 50 },
      });
      expect(measures.map(({ key }) => key)).toEqual([
        "rank1/named:1:N",
        "rank@5/named:1:N",
        "rank@10/named:1:N",
        "rank@20/named:1:N",
      ]);
      measures.forEach(({ value, low, high }, at) => {
        expect(value).toBeCloseTo(expected.rates_with_10[at], 6);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
      });
      expect(summary).toMatchObject({ kind: "tinyface", probes: 25, gallery: 27 });
    });

    test("IJB-C: the reference's settings, at the rates that 4,900 impostors can measure", async () => {
      const expected = json("ijb/expected.json");
      const get = await tensorsOf("ijb/features.safetensors");
      const both = toFloat32(get("features"));
      const width = 32;
      const sums = new Float32Array(both.length / 2);
      for (let i = 0; i < sums.length; i++) {
        const at = Math.floor(i / width) * 2 * width + (i % width);
        sums[i] = both[at] + both[at + width];
      }
      const { readIjbMeta } = await import("../../../src/data/index.ts");
      const meta = await readIjbMeta(join(formats.path, "ijb/meta"));
      const { ijbProtocol } = await import("../../../src/evaluation/protocols/ijb.ts");
      const data = {
        spec: "crops",
        length: meta.names.length,
        people: [],
        fingerprint: "f",
        at: (at: number) => ({ id: meta.names.at(at), person: -1, source: { kind: "file", path: "" } as const }),
      };
      const protocol = ijbProtocol("ijbc", meta, data, "crops", { galleries: [], probes: undefined });
      const { measures, unresolved } = await measureRows(protocol, rowsOf(sums, width), {
        bootstrap: { resamples: 50 },
      });
      const { tar_at_far, auc } = expected.results.reference_settings_F1_N1_D1;
      for (const far of [0.001, 0.01, 0.1])
        expect(measures.find(({ kind, far: at }) => kind === "tar" && at === far)?.value).toBeCloseTo(
          tar_at_far[far],
          9,
        );
      expect(measures.find(({ kind }) => kind === "auc")?.value).toBeCloseTo(auc, 6);
      expect(unresolved.map(({ far }) => far)).toEqual([1e-6, 1e-5, 1e-4]);
      expect(protocol.people).toBe(50);
    });

    test.each(["six_hundred", "six_thousand"])("LFW's rules: %s pairs", async (name) => {
      const expected = json("verification_eval/expected.json")[name];
      const { distances, same } = name === "six_hundred" ? await sixHundred() : sixThousand(expected);
      const fold = Int32Array.from(same, (_, pair) => Math.floor((pair * 10) / same.length));
      const ours = referenceVerification(distances, same, fold, 10);
      expect(ours.accuracy).toBeCloseTo(expected.accuracy_mean, 9);
      expect(ours.accuracyDeviation).toBeCloseTo(expected.accuracy_std, 9);
      ours.folds.forEach(({ accuracy, threshold }, at) => {
        expect(accuracy).toBeCloseTo(expected.fold_accuracy[at], 9);
        expect(threshold).toBeCloseTo(expected.fold_threshold[at], 9);
      });
      expect(ours.tar).toBeCloseTo(expected.val, 9);
      expect(ours.tarDeviation).toBeCloseTo(expected.val_std, 9);
      expect(ours.far).toBeCloseTo(expected.far, 9);
    });

    test("a verification list as pairs: folds in order, people from what the pairs connect", async () => {
      const { pairs } = json("verification/expected.json");
      const protocol = await readVerificationPairs(join(formats.path, "verification/lfw_mini_highest.bin"));
      expect([protocol.folds, protocol.pairs.length]).toEqual([10, 40]);
      expect(protocol.pairs.map(({ fold }) => fold)).toEqual(Array.from({ length: 40 }, (_, at) => Math.floor(at / 4)));
      protocol.pairs.forEach(({ same, first, second }, at) => {
        expect(same).toBe(pairs[at].same);
        const [a, b] = [protocol.images[first]?.person, protocol.images[second]?.person];
        expect(a === b).toBe(same);
      });
      const names = new Set(
        pairs.flatMap(({ a, b }: { a: string; b: string }) => [a, b].map((path) => path.split("/")[0])),
      );
      // Somebody whose photos no pair connects counts twice.
      expect(protocol.people.length).toBeGreaterThanOrEqual(names.size);
    });
  },
);

async function sixHundred() {
  const get = await tensorsOf("verification_eval/six_hundred.safetensors");
  const [straight, mirrored] = [toFloat32(get("embeddings")), toFloat32(get("embeddings_flipped"))];
  const width = 32;
  const [one, other] = [normaliseRows(straight, width), normaliseRows(mirrored, width)];
  const fused = normaliseRows(
    one.map((value, at) => value + other[at]),
    width,
  );
  const expected = toFloat32(get("fused"));
  expect(Math.max(...fused.map((value, at) => Math.abs(value - expected[at])))).toBeLessThan(1e-6);
  return {
    distances: distancesOf(expected, width, (pair) => [2 * pair, 2 * pair + 1], 600),
    same: Uint8Array.from(get("issame").data as ArrayLike<number | bigint>, Number),
  };
}

function sixThousand(expected: { first_embedding: number[]; second_embedding: number[] }) {
  const [count, width] = [6000, 16];
  const [a, b, joint] = [9000, 9001, 9002].map((number) => formula(number, count * width)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const same = Uint8Array.from({ length: count }, (_, pair) => (pair % 600 < 300 ? 1 : 0));
  const rows = new Float32Array(2 * count * width);
  for (let i = 0; i < count * width; i++) {
    const pair = Math.floor(i / width);
    const second = same[pair] === 1 ? a[i] + 0.9 * joint[i] : b[i] + 0.6 * a[i];
    rows[i] = a[i];
    rows[count * width + i] = second;
  }
  const units = normaliseRows(rows, width);
  expected.first_embedding.forEach((value, at) => {
    expect(rows[at]).toBeCloseTo(value, 6);
  });
  expected.second_embedding.forEach((value, at) => {
    expect(rows[count * width + at]).toBeCloseTo(value, 6);
  });
  return { distances: distancesOf(units, width, (pair) => [pair, count + pair], count), same };
}

function distancesOf(
  rows: Float32Array,
  width: number,
  place: (pair: number) => readonly [number, number],
  count: number,
) {
  return Float64Array.from({ length: count }, (_, pair) => {
    const [one, other] = place(pair);
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (rows[one * width + k] - rows[other * width + k]) ** 2;
    return sum;
  });
}

/** The oracle's fill formula: u in [-0.5, 0.5). */
function formula(tensor: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => {
    let h = (Math.imul(i, 2654435761) + Math.imul(tensor, 2246822519) + 374761393) >>> 0;
    h = Math.imul(h ^ (h >>> 15), 2246822519) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 3266489917) >>> 0;
    h = (h ^ (h >>> 16)) >>> 0;
    return h / 2 ** 32 - 0.5;
  });
}
