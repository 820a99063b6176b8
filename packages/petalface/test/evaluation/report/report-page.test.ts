import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareResults, measureEmbeddings, writeReport } from "../../../src/evaluation/index.ts";
import { lacksChromium, needsChromium, openChromium } from "../../support/chromium.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

describe.skipIf(lacksChromium)(`the report in a browser${needsChromium}`, () => {
  let browser: Browser;
  const folder = temporaryFolder("petalface-report-");
  let address: string;

  beforeAll(async () => {
    const protocol = fakeProtocol();
    const measure = (noise: number) =>
      measureEmbeddings(
        protocol,
        { spec: "fake", fingerprint: "00" },
        fakeEmbeddings(protocol, 0.4),
        new Map([["lr:16", fakeEmbeddings(protocol, noise, 2)]]),
        { bootstrap: { resamples: 50 } },
      );
    const [frozen, adapted] = await Promise.all([measure(3), measure(1)]);
    const comparison = compareResults(frozen, adapted);
    const path = join(folder, "report.html");
    await writeReport(path, {
      title: "a report",
      results: [
        { name: "frozen", result: frozen },
        { name: "adapted", result: adapted },
      ],
      comparisons: [{ name: "adapted", against: "frozen", comparison }],
    });
    address = pathToFileURL(path).href;
    browser = await openChromium(
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    );
  });
  afterAll(async () => {
    await browser?.close();
  });

  it.each([
    ["desktop", 1200],
    ["phone", 390],
  ] as const)("shows its table and charts on a %s, without scripts, errors or the network", async (_, width) => {
    const page = await browser.newPage({ viewport: { width, height: 800 } });
    page.setDefaultTimeout(600_000);
    const requests: string[] = [];
    const problems: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) requests.push(request.url());
    });
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(address);
    expect(requests).toEqual([address]);
    expect(problems).toEqual([]);
    expect(await page.locator("script").count()).toBe(0);
    expect(await page.locator("table").first().isVisible()).toBe(true);
    expect(await page.locator("svg").count()).toBeGreaterThan(3);
    const chart = await page.locator("svg:visible").first().boundingBox();
    expect(chart?.width).toBeGreaterThan(100);
    const overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
    expect(overflow).toBeLessThanOrEqual(0);
    await page.close();
  });
});
