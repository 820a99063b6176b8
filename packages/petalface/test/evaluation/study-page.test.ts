import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeEvaluationReport } from "../../src/api/evaluate/report.ts";
import { viewPeople } from "../../src/api/evaluate/views.ts";
import { type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { evaluate, protocolOfPairs, syntheticPairs } from "../../src/evaluation/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { lacksChromium, openChromium } from "../support/chromium.ts";
import { temporaryFolder } from "../support/folder.ts";

const repository = join(import.meta.dirname, "../../../..");
const shared = resolve(repository, process.env.PETALFACE_SHARED ?? "../shared");
const absent = lacksChromium || !existsSync(join(shared, "data/lfw112"));

describe.skipIf(absent)("a study of LFW in a browser (needs chromium and the shared data)", () => {
  let browser: Browser;
  const folder = temporaryFolder("petalface-study-");
  let address: string;
  let names: readonly string[];

  beforeAll(async () => {
    const data = await openData(join(shared, "data/lfw112"));
    const protocol = protocolOfPairs(syntheticPairs(data, { pairs: 20, folds: 2, seed: 2 }), data);
    const [first, second] = await Promise.all(
      ["mobilefacenet", "fr_feature"].map((name) => openBackbone(join(shared, "weights", `${name}.onnx`))),
    );
    if (first === undefined || second === undefined) throw new Error("two models are needed");
    const measure = async (backbone: EmbeddingModel) => {
      const model = await openEmbedder(backbone);
      const loader = openLoader({ size: model.size, threads: 1 });
      try {
        const options = { model, loader, protocol, degradations: ["lr:20", "lr:10"] };
        return await evaluate({ ...options, bootstrap: { resamples: 100 } });
      } finally {
        await Promise.all([model.close(), loader.close()]);
      }
    };
    const [frozen, adapted] = [await measure(first), await measure(second)];
    const view = await viewPeople({
      ...{ people: 6, degradation: "lr:20", protocol, cache: false },
      models: [first, second].map((backbone) => ({ name: backbone.spec.name, opened: { backbone, model: backbone } })),
      engine: { provider: "cpu", threads: 1 },
      noteOnce: () => {},
      signal: new AbortController().signal,
    });
    names = view.people;
    const path = join(folder, "report.html");
    await writeEvaluationReport(path, { frozen, adapted, protocol, size: 112, options: { a: 1 }, view });
    address = pathToFileURL(path).href;
    browser = await openChromium("--disable-gpu", "--disable-background-networking", "--disable-sync");
  });
  afterAll(async () => {
    await browser?.close();
  });

  test.each(["light", "dark"] as const)(
    "in %s: no error, no request, all of its text and pictures, in its colours",
    async (colorScheme) => {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
      page.setDefaultTimeout(600_000);
      const problems: string[] = [];
      page.on("console", (message) => problems.push(message.text()));
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("request", (request) => {
        if (!request.url().startsWith("data:") && request.url() !== address) problems.push(request.url());
      });
      await page.goto(address);
      expect(problems).toEqual([]);
      const text = (await page.locator("main").textContent()) ?? "";
      for (const part of [
        "At a glance",
        "Measures",
        "Differences from frozen",
        "By resolution",
        "Hardest pairs",
        "Embeddings",
        "ROC",
        "CMC",
        "How it was measured",
        "corrected for all",
        ...names,
      ])
        expect(text, part).toContain(part);
      // Every link of the contents leads somewhere, every picture is drawn.
      expect(
        await page.evaluate("[...document.querySelectorAll('nav a')].every((a) => document.querySelector(a.hash))"),
      ).toBe(true);
      expect(
        await page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth === 112)"),
      ).toBe(true);
      expect(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")).toBeLessThanOrEqual(0);
      const shot = await page.screenshot({ fullPage: true });
      const { channels } = await sharp(shot).stats();
      const mean = channels.slice(0, 3).reduce((sum, channel) => sum + channel.mean, 0) / 3;
      if (colorScheme === "light") expect(mean).toBeGreaterThan(200);
      else expect(mean).toBeLessThan(80);
      expect((channels[0]?.stdev ?? 0) > 5).toBe(true);
      await page.close();
    },
  );

  test("prints in light without its contents, with what is folded away", async () => {
    const page = await browser.newPage({ colorScheme: "dark" });
    page.setDefaultTimeout(600_000);
    await page.goto(address);
    await page.emulateMedia({ media: "print" });
    expect(await page.locator("nav").isVisible()).toBe(false);
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
    expect((await page.pdf()).length).toBeGreaterThan(50_000);
    await page.close();
  });
});
