import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { drawNearest, writeEvaluationReport } from "../../../src/api/evaluate/report.ts";
import { openData } from "../../../src/data/index.ts";
import {
  type EvaluationResult,
  measureRows,
  protocolOfPairs,
  renderReport,
  syntheticPairs,
} from "../../../src/evaluation/index.ts";
import { packDetail, unpackDetail } from "../../../src/evaluation/results/pack.ts";
import { findAtAlarms } from "../../../src/evaluation/statistics/alarms.ts";
import { rowsOf } from "../../../src/matching/index.ts";
import { random } from "../../../src/random.ts";

const width = 16;
const people = 120;
const data = await openData(`synthetic:people=${people},images=2,seed=5`);
const protocol = protocolOfPairs(syntheticPairs(data, { pairs: 200, folds: 4 }), data);

/** A direction for each person, and noise for each face; rows of unit length. */
function embeddings(noise: number, seed: number): Float32Array {
  const centres = random(1, "people");
  const jitter = random(seed, "noise");
  const middle = Float32Array.from({ length: people * width }, () => centres.normal());
  const rows = new Float32Array(protocol.faces.length * width);
  protocol.faces.forEach((_, face) => {
    const person = protocol.person[protocol.item[face]];
    const row = Array.from({ length: width }, (_, k) => middle[person * width + k] + noise * jitter.normal());
    const length = Math.hypot(...row);
    rows.set(
      row.map((x) => x / length),
      face * width,
    );
  });
  return rows;
}
const given = embeddings(0.4, 1);
const poor = { frozen: embeddings(1.3, 2), adapted: embeddings(0.8, 3) };
const measure = (degraded: Float32Array): Promise<EvaluationResult> =>
  measureRows(protocol, rowsOf(given, width), {
    degraded: new Map([["lr:16", rowsOf(degraded, width)]]),
    bootstrap: { resamples: 200 },
  });
const [frozen, adapted] = [await measure(poor.frozen), await measure(poor.adapted)];
const [search] = protocol.searches;
const cosine = (probe: Float32Array, a: number, b: number): number => {
  let sum = 0;
  for (let k = 0; k < width; k++) sum += probe[a * width + k] * given[b * width + k];
  return sum;
};

describe("the nearest people of a probe", () => {
  const [, degraded] = adapted.detail.nearest ?? [];

  test("are those of a plain sort over the gallery, each person once, the same probes for both", () => {
    expect(degraded.condition).toEqual({ kind: "mixed", degradation: "lr:16" });
    expect(degraded.probes).toHaveLength(6);
    for (const { item, person, nearest } of degraded.probes) {
      expect(person).toBe(protocol.person[item]);
      const all = Array.from(search.gallery, (face) => ({
        item: face,
        person: protocol.person[face],
        score: cosine(poor.adapted, item, face),
      })).sort((a, b) => b.score - a.score);
      expect(nearest.map((each) => each.item)).toEqual(all.slice(0, 5).map((each) => each.item));
      nearest.forEach(({ score }, i) => {
        expect(score).toBeCloseTo(all[i].score, 5);
      });
    }
    expect(frozen.detail.nearest?.[1].probes.map(({ item }) => item)).toEqual(degraded.probes.map(({ item }) => item));
  });

  test("are kept in the result's file, and refused where they point nowhere", () => {
    const packed = JSON.parse(JSON.stringify(packDetail(adapted.detail)));
    expect(unpackDetail(packed, adapted.protocol).nearest).toEqual(adapted.detail.nearest);
    packed.nearest[0].probes[0].nearest[0].item = protocol.items.length;
    expect(() => unpackDetail(packed, adapted.protocol)).toThrow("item is missing or does not fit");
  });
});

describe("what is found at a rate of false alarms", () => {
  test("equals a plain count over all scores", () => {
    const found = findAtAlarms(adapted, frozen);
    const probes = search.probes.length;
    const alarms = Math.floor(probes / 10);
    const gallery = search.gallery.length;
    expect(found).toMatchObject({ fpir: 0.1, alarms, probes, gallery, asStrangers: true });
    for (const [share, rows] of [
      [found?.model, poor.adapted],
      [found?.baseline, poor.frozen],
    ] as const) {
      const best = Array.from(search.probes, (probe) => {
        const scores = Array.from(search.gallery, (face) => ({
          own: protocol.person[face] === protocol.person[probe],
          score: cosine(rows, probe, face),
        }));
        return {
          mate: Math.max(...scores.flatMap(({ own, score }) => (own ? score : []))),
          other: Math.max(...scores.flatMap(({ own, score }) => (own ? [] : score))),
        };
      });
      // The score after those of the allowed alarms is the first that may raise none.
      const threshold = best.map(({ other }) => other).sort((a, b) => b - a)[alarms];
      expect(share?.threshold).toBeCloseTo(threshold, 5);
      const count = best.filter(({ mate, other }) => mate > other && mate > threshold + 1e-6).length;
      expect(share?.value).toBeCloseTo(count / probes, 6);
      expect(share?.low).toBeLessThan(share?.value ?? 0);
      expect(share?.high).toBeGreaterThan(share?.value ?? 1);
    }
    expect(found?.difference?.value).toBeCloseTo((found?.model.value ?? 0) - (found?.baseline?.value ?? 0), 9);
  });

  test("is not stated where too few strangers were searched for", () => {
    const outcomes = adapted.detail.outcomes.map((outcome) =>
      outcome.kind === "identification"
        ? {
            ...outcome,
            ...Object.fromEntries(
              ["person", "item", "rank", "mate", "other"].map((key) => [key, outcome[key as "rank"].slice(0, 20)]),
            ),
          }
        : outcome,
    );
    expect(findAtAlarms({ ...adapted, detail: { ...adapted.detail, outcomes } })).toBeUndefined();
  });
});

describe("the page's head", () => {
  const page = async (before: EvaluationResult, after: EvaluationResult) => {
    const { compareResults } = await import("../../../src/evaluation/index.ts");
    const html = await renderReport({
      title: "t",
      results: [
        { name: "frozen", result: before },
        { name: "adapted", result: after },
      ],
      comparisons: [{ name: "adapted", against: "frozen", comparison: compareResults(before, after) }],
      named: { model: "fr_feature", adapter: "runs/it's mine" },
    });
    return html.slice(html.indexOf("<body>"), html.indexOf("<nav")).replaceAll("&#39;", "'");
  };

  test("states a gain with its threshold, a verdict and commands", async () => {
    const head = await page(frozen, adapted);
    const found = findAtAlarms(adapted, frozen);
    const [now, before] = [found?.model.value, found?.baseline?.value].map((share) => ((share ?? 0) * 100).toFixed(0));
    expect(head).toContain(`Of 100 faces at 16 px we now find ${now} instead of ${before}, at one false alarm in 10 `);
    const threshold = Number(/set the threshold to (\d\.\d+)\./.exec(head)?.[1]);
    expect(threshold).toBeGreaterThanOrEqual(found?.model.threshold ?? 1);
    expect(threshold - (found?.model.threshold ?? 0)).toBeLessThan(0.001);
    expect(head).toContain("Enough to deploy.");
    expect(head).toContain(String.raw`export --model fr_feature --adapter 'runs/it'\''s mine' --out face.onnx`);
  });

  test("states neither a loss nor no difference as a gain", async () => {
    const loss = await page(adapted, frozen);
    expect(loss).toMatch(/we now find only \d+ instead of \d+/);
    expect(loss).toContain("No gain.");
    expect(loss).not.toContain("Enough to deploy");
    const same = await page(frozen, frozen);
    expect(same).toContain("no difference beyond chance");
    expect(same).toContain("No gain.");
  });
});

test("the report opens with the picture, as small JPEGs, and stays small", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-nearest-"));
  try {
    const picture = await drawNearest(
      { protocol, size: 112 },
      { name: "adapted", result: adapted },
      { name: "frozen", result: frozen },
    );
    const detail = adapted.detail.nearest?.[1].probes ?? [];
    expect(picture?.probes.map(({ after }) => after.map(({ right }) => right))).toEqual(
      detail.map(({ person, nearest }) => nearest.map((each) => each.person === person)),
    );
    expect(picture?.probes.every(({ before }) => before?.length === 5)).toBe(true);
    expect(picture?.probes[0].face).toMatchObject({
      label: "16 px",
      image: expect.stringMatching(/^data:image\/jpeg/),
    });

    const path = join(folder, "report.html");
    const options = { model: "fr_feature", adapter: "runs/first" };
    await writeEvaluationReport(path, { frozen, adapted, protocol, size: 224, options });
    const text = await readFile(path, "utf8");
    const ticks = text.match(/aria-label="right person"/g) ?? [];
    const right = [frozen, adapted].flatMap(({ detail: { nearest } }) =>
      (nearest?.[1].probes ?? []).flatMap((probe) => probe.nearest.filter(({ person }) => person === probe.person)),
    );
    expect(ticks).toHaveLength(right.length);
    expect(text.indexOf('id="nearest"')).toBeLessThan(text.indexOf('id="glance"'));
    expect((await stat(path)).size).toBeLessThan(1_500_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
