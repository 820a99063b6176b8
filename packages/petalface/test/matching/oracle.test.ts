import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { entryOf } from "onnx-grad";
import { describe, expect, test } from "vitest";
import {
  cmc,
  identify,
  normaliseRows,
  openMatcher,
  openSet,
  poolTemplates,
  rocCurve,
  rowsOf,
  scorePairs,
} from "../../src/matching/index.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "../../src/tensors/index.ts";

const repository = join(import.meta.dirname, "../../../..");
const formats = join(resolve(repository, process.env.PETALFACE_SHARED ?? "../shared"), "oracle/formats");
const read = (path: string): string => readFileSync(join(formats, path), "utf8");
const openTensors = async (path: string) => {
  const { tensors } = await readSafetensors(join(formats, path));
  const get = (name: string) => tensors.get(name) as StoredTensor;
  return {
    floats: (name: string) => toFloat32(get(name)),
    integers: (name: string) => Int32Array.from(Array.from(get(name).data as ArrayLike<number | bigint>, Number)),
  };
};

describe.skipIf(!existsSync(formats))("the reference evaluators' numbers (skipped without the shared data)", () => {
  test("closed set, ranks 1, 5, 10, 20; open set", async () => {
    const { closed, open } = JSON.parse(read("identification/expected.json"));
    const { floats, integers } = await openTensors("identification/features.safetensors");
    const width = 32;
    const [probes, gallery] = [normaliseRows(floats("probe"), width), normaliseRows(floats("gallery"), width)];
    const [probeLabels, galleryLabels] = [integers("probe_labels"), integers("gallery_labels")];
    await using stack = new AsyncDisposableStack();
    const matcher = await openMatcher(width, { threads: 1 });
    stack.defer(() => matcher.close());
    const task = { probes, probeLabels, gallery: rowsOf(gallery, width), galleryLabels };
    const { rank } = await identify(matcher, task);
    expect(rank.filter((place) => place > 0)).toHaveLength(closed.probes_with_mate);
    closed.ranks.forEach((k: number, i: number) => {
      expect(cmc(rank, k)).toBeCloseTo(closed.rates[i], 6);
    });

    const rows = integers("open_gallery_rows");
    const part = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      part.set(gallery.subarray(row * width, (row + 1) * width), i * width);
    });
    const found = await identify(matcher, {
      ...task,
      gallery: rowsOf(part, width),
      galleryLabels: rows.map((row) => galleryLabels[row]),
    });
    open.ranks.forEach((rank: number, column: number) => {
      const points = openSet(found, open.fars, { rank, strict: true });
      points.forEach(({ tpir, threshold }, line) => {
        expect(tpir).toBeCloseTo(open.rates_far_by_rank[line][column], 6);
        expect(threshold).toBeCloseTo(open.thresholds[line], 6);
        // Just above the first stranger that must not pass is the laxest threshold of the same
        // rate.
        expect(openSet(found, open.fars, { rank })[line]?.tpir).toBeGreaterThanOrEqual(tpir);
      });
    });
  });

  test("IJB: templates, scores and TAR from the nearest point of the ROC, all four settings", async () => {
    const { results } = JSON.parse(read("ijb/expected.json"));
    const { floats, integers } = await openTensors("ijb/features.safetensors");
    const fields = (file: string) =>
      read(`ijb/meta/${file}`)
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/));
    const ids = integers("template_ids");
    const place = new Map([...ids].map((id, i) => [id, i]));
    const lines = fields("ijbc_face_tid_mid.txt");
    const pairs = fields("ijbc_template_pair_label.txt");
    const template = Int32Array.from(lines, ([, id]) => entryOf(place, Number(id)));
    const media = Int32Array.from(lines, ([, , medium]) => Number(medium));
    const first = Int32Array.from(pairs, ([id]) => entryOf(place, Number(id)));
    const second = Int32Array.from(pairs, ([, id]) => entryOf(place, Number(id)));
    const same = Uint8Array.from(pairs, ([, , flag]) => Number(flag));
    const features = floats("features");
    const width = 32;
    await using stack = new AsyncDisposableStack();
    const matcher = await openMatcher(width, { threads: 1 });
    stack.defer(() => matcher.close());

    for (const [name, expected] of Object.entries<{ tar_at_far: Record<string, number>; first_scores: number[] }>(
      results,
    )) {
      const [flip, norm, detector] = [/F(\d)/, /N(\d)/, /D(\d)/].map((part) => part.exec(name)?.[1] === "1");
      const halves = flip
        ? features
        : Float32Array.from(
            { length: features.length / 2 },
            (_, i) => features[Math.floor(i / width) * 64 + (i % width)],
          );
      const sums = flip
        ? Float32Array.from({ length: features.length / 2 }, (_, i) => {
            const at = Math.floor(i / width) * 64 + (i % width);
            return features[at] + features[at + width];
          })
        : halves;
      const pooled = await poolTemplates(
        norm ? rowsOf(halves, flip ? 64 : width) : rowsOf(normaliseRows(sums, width), width),
        {
          templates: ids.length,
          template,
          media,
          flipped: flip && norm,
          ...(detector && { weight: floats("face_scores") }),
        },
      );
      if (name.startsWith("reference")) {
        const reference = floats("template_features");
        expect(Math.max(...pooled.map((value, i) => Math.abs(value - reference[i])))).toBeLessThan(1e-6);
      }
      const scores = await scorePairs(matcher, pooled, pooled, first, second);
      expected.first_scores.forEach((score, i) => {
        expect(scores[i], `${name}, score ${i}`).toBeCloseTo(score, 5);
      });
      const roc = rocCurve(scores, same);
      for (const [far, tar] of Object.entries(expected.tar_at_far)) {
        const [fars, tars] = [
          [0, ...roc.far],
          [0, ...roc.tar],
        ];
        const gap = Math.min(...fars.map((rate) => Math.abs(rate - Number(far))));
        const nearest = tars.filter((_, i) => Math.abs(Math.abs(fars[i] - Number(far)) - gap) < 1e-15);
        expect(Math.max(...nearest), `${name} at ${far}`).toBeCloseTo(tar, 9);
      }
    }
  });
});
