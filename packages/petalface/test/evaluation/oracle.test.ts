import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readPairs } from "../../src/evaluation/index.ts";
import { bestThreshold, kFoldAccuracy, rankPairs } from "../../src/evaluation/statistics/verification.ts";
import { normaliseRows, pairScores } from "../../src/matching/index.ts";
import { readSafetensors, toFloat32 } from "../../src/tensors/index.ts";

const repository = join(import.meta.dirname, "../../../..");
const shared = resolve(repository, process.env.PETALFACE_SHARED ?? "../shared");
const formats = join(shared, "oracle/formats");
const expected = (name: string) => JSON.parse(readFileSync(join(formats, name, "expected.json"), "utf8"));

describe.skipIf(!existsSync(join(shared, "data/lfw112_pairs.txt")))(
  "LFW's pairs (skipped without the shared data)",
  () => {
    const path = join(shared, "data/lfw112_pairs.txt");
    test("all folds", async () => {
      const protocol = await readPairs(path);
      expect(protocol.pairs).toHaveLength(6000);
      expect(protocol.folds).toBe(10);
    });
    test("folds 1 to 3: 1,241 people, 1,079 probes", async () => {
      const protocol = await readPairs(path, { folds: [1, 2, 3] });
      expect(protocol.pairs.filter((p) => p.same)).toHaveLength(900);
      expect(protocol.gallery).toHaveLength(1241);
      expect(protocol.probes).toHaveLength(1079);
    });
  },
);

describe.skipIf(!existsSync(join(formats, "identification")))(
  "oracle numbers (skipped without the shared data)",
  () => {
    const width = 32;
    test("600 pairs: the oracle's thresholds give its fold accuracies, ours do at least as well on the training folds", async () => {
      const { tensors } = await readSafetensors(join(formats, "verification_eval/six_hundred.safetensors"));
      const get = (name: string) => tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>;
      const rows = normaliseRows(toFloat32(get("fused")), width);
      const even = Int32Array.from({ length: 600 }, (_, i) => 2 * i);
      const scores = pairScores(
        rows,
        rows,
        width,
        even,
        even.map((i) => i + 1),
      );
      const same = Uint8Array.from(Array.from(get("issame").data, Number));
      const fold = Int32Array.from({ length: 600 }, (_, i) => Math.floor(i / 60));
      const ranked = rankPairs({ scores, same, fold, first: fold, second: fold });
      const { six_hundred: oracle } = expected("verification_eval");
      // Squared distance d of unit rows is 2 - 2 cos.
      const cosine = (distance: number) => 1 - distance / 2;
      const right = (threshold: number, inFold: (fold: number) => boolean) => {
        const verdicts = [...scores].flatMap((score, i) =>
          inFold(fold[i]) ? [score > threshold === (same[i] === 1)] : [],
        );
        return verdicts.filter(Boolean).length / verdicts.length;
      };
      const ones = new Float64Array(600).fill(1);
      oracle.fold_accuracy.forEach((accuracy: number, k: number) => {
        const grid = cosine(oracle.fold_threshold[k]);
        // One distance on the threshold may move one pair of 60.
        expect(Math.abs(right(grid, (f) => f === k) - accuracy)).toBeLessThan(1.5 / 60);
        const exact = bestThreshold(ranked, ones, k);
        expect(right(exact, (f) => f !== k)).toBeGreaterThanOrEqual(right(grid, (f) => f !== k));
      });
      expect(Math.abs(kFoldAccuracy(ranked, ones, 10).accuracy - oracle.accuracy_mean)).toBeLessThan(0.02);
    });
  },
);
