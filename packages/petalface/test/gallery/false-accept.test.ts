import { expect, test } from "vitest";
import {
  buildTemplates,
  type ChosenThresholds,
  decide,
  type EnrolledVectors,
  estimateThresholds,
  joinTrack,
  openSearcher,
  type Searcher,
  shownThresholds,
  singleThreshold,
  type ThresholdTable,
} from "../../src/gallery/index.ts";
import { falseAcceptRateAt, normaliseRows, shareInterval } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 24;
const stream = random("strangers");
/** Somebody's face: the person, and what is of this photo alone. */
const personOf = (): number[] => Array.from({ length: width }, () => stream.normal());
const photoOf = (person: readonly number[], noise: number): Float32Array =>
  Float32Array.from(person, (value) => value + noise * stream.normal());

const [people, strangers, frames] = [700, 3000, 5];
/** What poor quality adds. */
const poor = 1.5;

/** A gallery of people with one to three faces, with copies as poor as the strangers' frames. */
function gallery(): EnrolledVectors {
  const faces = Array.from({ length: people }, (_, id) => {
    const person = personOf();
    return Array.from({ length: 1 + (id % 3) }, () => ({ id, face: photoOf(person, 0.4), person }));
  }).flat();
  const flat = (rows: readonly Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((row) => [...row]));
  const copiesOf = (face: Float32Array): Float32Array => {
    const copies = [0, 1].map(() => normaliseRows(photoOf([...face], poor), width));
    return Float32Array.from({ length: width }, (_, at) => copies.reduce((sum, copy) => sum + (copy[at] ?? 0), 0));
  };
  return {
    width,
    faces: Int32Array.from(faces.keys()),
    people: Int32Array.from(faces, ({ id }) => id),
    vectors: flat(faces.map(({ face }) => face)),
    copies: flat(faces.map(({ face }) => copiesOf(face))),
    alpha: new Float32Array(faces.length).fill(1),
    score: new Float64Array(faces.length),
  };
}

/** The answers for tracks of people who are not enrolled. */
async function answersFor(searcher: Searcher, table: ThresholdTable, alpha: number, noise: number) {
  const tracks = await Promise.all(
    Array.from({ length: strangers }, () => {
      const face = [...photoOf(personOf(), 0.4)];
      return joinTrack(
        Array.from({ length: frames }, () => ({
          ...{ vector: photoOf(face, noise), copies: new Float32Array(width), alpha, score: null },
        })),
      );
    }),
  );
  const rows = Float32Array.from(tracks.flatMap(({ unit }) => [...unit]));
  const found = await searcher.search({ rows, alpha: tracks.map((track) => track.alpha) }, 2);
  const rules = { thresholds: table, margin: 0, lowestAlpha: 0, people: searcher.people, hasCopies: true };
  return found.map((candidates, at) => decide(tracks[at]?.alpha ?? 0, candidates, rules));
}

test("of strangers' tracks as many are accepted as the rate says, within its interval", async () => {
  const enrolled = gallery();
  await using searcher = openSearcher(buildTemplates(enrolled, "mean"), { threads: 1 });
  const chosen = await estimateThresholds(enrolled, searcher, 0.01);
  if (chosen === undefined) throw new Error("nothing was estimated");
  for (const [alpha, noise] of [
    [1, 0.1],
    [0, poor],
  ] as const) {
    const answers = await answersFor(searcher, chosen.table, alpha, noise);
    const rates = answers.map(({ falseAcceptRate }) => falseAcceptRate?.rate ?? Number.NaN);
    expect(rates.every((rate) => rate > 0 && rate <= 1)).toBe(true);
    for (const accepted of [0.5, 0.2, 0.1, 0.05, 0.02]) {
      // Those whom an operator lets in who accepts from this rate on.
      const hits = rates.filter((rate) => rate <= accepted).length;
      const [least, most] = shareInterval(hits, strangers);
      const at = answers.find(
        ({ falseAcceptRate }) => Math.abs((falseAcceptRate?.rate ?? 0) - accepted) < accepted / 5,
      );
      const [low, high] = at?.falseAcceptRate?.interval ?? [Number.NaN, Number.NaN];
      expect(most, `alpha ${alpha}, rate ${accepted}: ${hits} of ${strangers}`).toBeGreaterThan(low * 0.8);
      expect(least, `alpha ${alpha}, rate ${accepted}: ${hits} of ${strangers}`).toBeLessThan(high * 1.2);
    }
    // A match is what the wanted rate allows, no more and no less.
    for (const { decision, falseAcceptRate } of answers)
      expect((falseAcceptRate?.rate ?? 1) <= 0.01).toBe(decision === "match");
  }
  // Beyond all strangers that were seen it says no more than that.
  const [row] = chosen.table.rows;
  const [curve] = row?.rates?.curves ?? [];
  if (curve === undefined) throw new Error("nothing was measured");
  expect(falseAcceptRateAt(curve, 1)).toMatchObject({ rate: 1 / (chosen.faces ?? 0), below: true });
  // Faces of one person are not independent: 700 people say less than their 1,399 faces.
  expect(falseAcceptRateAt(curve, 1).interval[1]).toBeCloseTo(shareInterval(0, people)[1], 6);
});

const nearest = (cosine: number) => [{ person: 1, cosine }];
const curve = { impostors: 10_000, beyond: 0.0004, points: [[0.5, 0, 1, 0.00001, 0.0005]] } as const;
const table = (of: "searches" | "comparisons"): ThresholdTable => ({
  rows: [{ alpha: [0, 1], cosine: 0.3, rates: { of, curves: [curve] } }],
});
const rules = { margin: 0, lowestAlpha: 0, people: 100, hasCopies: false };

test("a search is a comparison with each person", () => {
  const thresholds = table("comparisons");
  const found = decide(0.5, nearest(0.5), { ...rules, thresholds }).falseAcceptRate;
  expect(found?.rate).toBeCloseTo(1 - (1 - 1e-4) ** 100, 12);
  expect(found?.interval[0]).toBeCloseTo(1 - (1 - 1e-5) ** 100, 12);
  expect(found?.interval[1]).toBeCloseTo(1 - (1 - 5e-4) ** 100, 12);
  expect(decide(0.5, nearest(0.6), { ...rules, thresholds }).falseAcceptRate).toMatchObject({ below: true });
  expect(decide(0.5, nearest(0.5), { ...rules, thresholds: table("searches") }).falseAcceptRate?.rate).toBe(1e-4);
});

test("nothing is said where nothing was measured, and the note says what would measure it", () => {
  const given: ChosenThresholds = { kind: "given", table: singleThreshold(0.3) };
  expect(decide(1, nearest(0.5), { ...rules, thresholds: given.table }).falseAcceptRate).toBeNull();
  expect(shownThresholds(given, { copies: [] }).note).toContain("petalface threshold 'out' measures it");
  // Nobody is compared.
  expect(decide(1, [], { ...rules, thresholds: table("searches") }).falseAcceptRate).toBeNull();
  // Comparisons without copies say nothing of poor faces where copies are enrolled.
  const measured: ChosenThresholds = { kind: "stored", table: table("comparisons") };
  const copied = { ...rules, hasCopies: true, thresholds: measured.table };
  expect(decide(0.9, nearest(0.5), copied).falseAcceptRate).toBeNull();
  expect(decide(1, nearest(0.5), copied).falseAcceptRate).not.toBeNull();
  expect(shownThresholds(measured, { copies: [12] }).note).toContain("without low-resolution copies");
  expect(shownThresholds(measured, { copies: [] }).note).toBeUndefined();
  const estimated: ChosenThresholds = { kind: "estimated", table: table("searches") };
  const shown = shownThresholds(estimated, { copies: [12] });
  expect(shown).toEqual({ kind: "estimated", table: { rows: [{ alpha: [0, 1], cosine: 0.3 }] } });
});
