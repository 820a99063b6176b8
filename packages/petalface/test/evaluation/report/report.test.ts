import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareResults, measureEmbeddings, renderReport } from "../../../src/evaluation/index.ts";
import { escapeHtml, html } from "../../../src/evaluation/report/html.ts";
import { headline, points, pText, verdictWords } from "../../../src/evaluation/report/words.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

const protocol = fakeProtocol();
const data = { spec: "<b>data</b>", fingerprint: "00" };
const measure = (low: number, alpha = false, sharp = 0.5) => {
  const options = { bootstrap: { resamples: 100 } };
  const at = (noise: number) => ({
    ...fakeEmbeddings(protocol, noise),
    ...(alpha ? { alpha: new Float32Array(protocol.images.length).fill(noise === sharp ? 1 : 0.25) } : {}),
  });
  return measureEmbeddings(
    protocol,
    data,
    at(sharp),
    new Map([16, 12, 8].map((k, i) => [`lr:${k}`, at(low + i / 10)])),
    options,
  );
};
const [frozen, petal] = await Promise.all([measure(2.5), measure(0.7, true)]);
const evil = `"><script>alert('x')</script><img src=x onerror=alert(1)>\u0000&amp;${"\ud800"}`;
const pixel = "data:image/png;base64,iVBORw0KGgo=";

describe("a report", async () => {
  const report = {
    title: evil,
    results: [
      { name: "frozen", result: frozen },
      { name: evil, result: petal },
    ],
    comparisons: [{ name: evil, against: "frozen", comparison: compareResults(frozen, petal) }],
    samples: [
      {
        name: evil,
        faces: [
          { label: evil, image: pixel, alpha: 0.25 },
          { label: "8 px", image: pixel },
        ],
      },
    ],
    run: { [evil]: evil, rank: 16 },
  };
  const text = await renderReport(report);

  test("has no markup from names, no script and no network", () => {
    expect(text).not.toContain("<script");
    expect(text).not.toContain("<img src=x");
    expect(text).not.toContain("<b>data");
    expect(text).not.toMatch(/[\0\ud800]/);
    expect(text.match(/<img /g)).toHaveLength(2);
    const addresses = new Set(text.match(/https?:[^"' )]+/g));
    expect([...addresses]).toEqual(
      ["http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"].filter((a) => addresses.has(a)),
    );
    expect(text).toContain("default-src 'none'");
  });

  test("shows every measure, both alphas, charts for each condition and the options", () => {
    for (const m of petal.measures) expect(text).toContain(`${(m.value * 100).toFixed(2)}<small>`);
    expect(text).toContain("100.0 % exactly 1");
    expect(text).toContain("0.0 % exactly 1");
    // Two overviews, each for both widths, three by resolution, seven ROCs and DETs, four CMCs,
    // seven pairs of histograms, four alphas.
    expect(text.match(/<svg /g)).toHaveLength(2 * 2 + 3 + 7 + 7 + 4 + 14 + 4);
    for (const [, id] of text.matchAll(/href="#([^"]+)"/g)) expect(text).toContain(`id="${id}"`);
    expect(text).toContain('<th scope="row">rank</th><td>16</td>');
    expect(text).not.toMatch(/NaN|undefined|\[object/);
  });

  test("one result alone makes a report too", async () => {
    const alone = await renderReport({ title: "t", results: [{ name: "frozen", result: frozen }] });
    expect(alone).toContain("% accuracy on faces as given");
    expect(alone).not.toContain("Differences from");
  });

  test("is refused without results, with foreign ones, and with samples that are no pictures", async () => {
    await expect(renderReport({ title: "t", results: [] })).rejects.toThrow(/at least one result/);
    const other = fakeProtocol(200);
    const foreign = await measureEmbeddings(other, data, fakeEmbeddings(other, 1), new Map(), {
      bootstrap: { resamples: 1 },
    });
    const results = [...report.results, { name: "b", result: foreign }];
    await expect(renderReport({ title: "t", results })).rejects.toThrow(/b was measured on other pairs/);
    for (const image of [
      "https://example.org/a.png",
      "data:text/html;base64,AAAA",
      'data:image/png;base64,AA"onload="x',
    ])
      await expect(
        renderReport({ ...report, samples: [{ name: "p", faces: [{ label: "sharp", image }] }] }),
      ).rejects.toThrow(/not a PNG or JPEG data URI/);
  });
});

describe("the headline", () => {
  const say = (a: typeof frozen, b: typeof frozen) =>
    headline({ name: "petal", against: "frozen", comparison: compareResults(a, b) }, a, b);

  test("tells a gain, and that sharp faces stay", () => {
    const { lead, rest } = say(frozen, petal);
    const value = (r: typeof frozen) =>
      ((r.measures.find((m) => m.key === "accuracy/mixed:12")?.value ?? 0) * 100).toFixed(2);
    expect(lead).toMatch(/^petal raises accuracy on faces as given against 12 px ones from /);
    expect(lead).toContain(`from ${value(frozen)} % to ${value(petal)} %`);
    expect(lead).toMatch(/Faces as given stay at [\d.]+ %\.$/);
    expect(rest).toMatch(/^8 of the other 9 .* None is worse\.$/);
  });

  test("tells a loss as plainly", async () => {
    const { lead, rest } = say(petal, frozen);
    expect(lead).toMatch(/^petal lowers accuracy on faces as given against 12 px ones/);
    expect(rest).toMatch(/^0 of the other 9 .* Worse: .*rank-1 of 8 px faces \u2212[\d.]+ points/);
    const blunt = say(frozen, await measure(2.5, false, 1.5));
    expect(blunt.rest).toMatch(/Worse: accuracy on faces as given \u2212/);
  });

  test("claims nothing where there are too few people", () => {
    const comparison = compareResults(frozen, petal);
    const of = (people: number) => ({
      ...comparison,
      people,
      differences: comparison.differences.map((difference) => ({ ...difference, people })),
    });
    const few = headline({ name: "petal", against: "frozen", comparison: of(19) }, frozen, petal);
    expect(few.lead).toMatch(
      /^Too few people to tell what is chance: 19 where at least 20 are needed\. With petal, accuracy on .* goes from /,
    );
    expect(`${few.lead} ${few.rest}`).not.toMatch(/raises|lowers|better|worse|chance \(|significant/i);
    expect(new Set(of(19).differences.map(verdictWords))).toEqual(new Set(["the same", "too few people to tell"]));
    expect(new Set(of(20).differences.map(verdictWords))).toContain("better");
  });

  test("tells that nothing happened", () => {
    expect(say(frozen, frozen).lead).toMatch(
      /^petal makes no significant difference to accuracy on faces as given against 12 px ones: from/,
    );
  });
});

test("escaping leaves nothing that could open a tag or end an attribute", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const escaped = escapeHtml(text);
      expect(escaped).not.toMatch(/[<>"'`]|&(?!#\d+;)/);
      expect(escaped.isWellFormed()).toBe(true);
    }),
  );
  expect(html`<i>${"<"}${html`<b>${[1, "&"]}</b>`}${undefined}</i>`.html).toBe("<i>&#60;<b>1&#38;</b></i>");
});

test("numbers for people", () => {
  expect([0.25301, -0.001, 0, -0.00001, Number.NaN].map(points)).toEqual(["+25.30", "\u22120.10", "0.00", "0.00", "-"]);
  expect([0.5, 0.0312, 0.0005, 0.004].map(pText)).toEqual(["p = 0.50", "p = 0.031", "p < 0.001", "p = 0.004"]);
});
