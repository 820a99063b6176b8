import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { adapt, exportModel } from "petalface";
import type { Browser, Page } from "playwright-core";
import { type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { writeTinyBackbone } from "../../../packages/petalface/test/support/backbone.ts";
import { lacksChromium, needsChromium, openChromium } from "../../../packages/petalface/test/support/chromium.ts";
import { buildSite } from "../build.ts";
import { sidebar } from "../pages.ts";

describe.skipIf(lacksChromium)(`the documentation as a site${needsChromium}`, () => {
  let folder: string;
  let pages: string[];
  let server: PreviewServer;
  let browser: Browser;
  const address = (path: string): string => `${server.resolvedUrls?.local[0] ?? ""}${path}`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-site-"));
    const out = join(folder, "site");
    // A link to a page that does not exist ends the build.
    await buildSite(out);
    const files = await readdir(out, { recursive: true });
    pages = files
      .filter((file) => file.endsWith(".html") && file !== "404.html")
      .map((file) => file.replaceAll("\\", "/"));
    server = await preview({
      root: folder,
      configFile: false,
      logLevel: "warn",
      build: { outDir: out },
      // Pages share scripts, styles and fonts: each is asked for once, as of a site on the web.
      preview: { host: "127.0.0.1", port: 0, headers: { "cache-control": "max-age=3600" } },
    });
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function openTab(
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<{ tab: Page; troubles: string[] }> {
    const context = await browser.newContext(options);
    const tab = await context.newPage();
    tab.setDefaultTimeout(600_000);
    const troubles: string[] = [];
    const say = (what: string): void => void troubles.push(`${new URL(tab.url()).pathname}: ${what}`);
    tab.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) say(message.text());
    });
    tab.on("pageerror", (error) => say(error.message));
    tab.on("response", (response) => {
      if (response.status() >= 400) say(`${response.status()} ${response.url()}`);
    });
    tab.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== new URL(address("")).origin) say(`it asked ${request.url()}`);
    });
    return { tab, troubles };
  }

  /**
   * Opens a page and waits until its script runs: what it does then, and its errors, belong to this
   * page, and it listens to keys and clicks.
   */
  async function visit(tab: Page, path: string): Promise<void> {
    await tab.goto(address(path));
    await tab.waitForFunction(() => "__vue_app__" in (document.querySelector("#app") ?? {}));
  }

  test("lists every page of the docs", () => {
    const listed = sidebar.flatMap(({ items = [] }) => items.map(({ link }) => `${link?.slice(1)}.html`));
    expect(listed.filter((link) => !pages.includes(link))).toEqual([]);
    const own = pages.filter((page) => /^(docs|bench|packages)\/(?!reference\/api\/)/.test(page));
    expect(own.filter((page) => !listed.includes(page))).toEqual([]);
    expect(pages.filter((page) => page.startsWith("docs/reference/api/")).length).toBeGreaterThan(50);
  });

  /** What is wrong with the page that is shown: all that can be measured in it. */
  const faultsOf = (tab: Page): Promise<string[]> =>
    tab.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const lost = [...document.querySelectorAll<HTMLAnchorElement>("a[href^='#']")]
        .map(({ hash }) => decodeURIComponent(hash.slice(1)))
        .filter((id) => id !== "" && document.getElementById(id) === null);
      const widest = [...document.querySelectorAll("main *")].find(
        (each) => each.getBoundingClientRect().right > clientWidth + 1,
      );
      // Figures scroll in place of shrinking, and the names in tables are not broken.
      return [
        ...lost.map((id) => `no heading ${id}`),
        ...(scrollWidth > clientWidth
          ? [`${scrollWidth - clientWidth} px too wide: ${widest?.outerHTML.slice(0, 120)}`]
          : []),
        ...[...document.querySelectorAll<HTMLImageElement>(".vp-doc p > img[src*='svg']")]
          .filter(({ clientWidth, naturalWidth }) => naturalWidth === 0 || clientWidth < 600)
          .map(({ alt, clientWidth }) => `a figure of ${clientWidth} px: ${alt}`),
        ...[...document.querySelectorAll<HTMLElement>(".vp-doc td code")]
          .filter((code) => !/[\s-]/.test(code.textContent) && code.getClientRects().length > 1)
          .map(({ textContent }) => `a broken name: ${textContent}`),
      ];
    });

  /**
   * Follows a link to a page, as a reader does: its script draws it, and no new document is loaded.
   * Returns how the page's file differs from that: whoever opens the file sees the difference.
   */
  async function follow(tab: Page, path: string): Promise<string[]> {
    await tab.evaluate((path) => {
      const link = document.createElement("a");
      link.href = `/${path}`;
      document.body.append(link);
      link.click();
      link.remove();
    }, path);
    await tab.waitForSelector(`.vp-doc.${`/${path}`.replaceAll(/[./]+/g, "_").replace(/_html$/, "")}`);
    return await tab.evaluate(async (path) => {
      const plain = (page: Document): string =>
        (page.querySelector(".vp-doc")?.innerHTML ?? "").replaceAll(/<!--.*?-->/gs, "");
      const file = new DOMParser().parseFromString(
        await (await fetch(`/${path}`, { cache: "no-store" })).text(),
        "text/html",
      );
      const [written, drawn] = [plain(file), plain(document)];
      if (drawn.length > 0 && written === drawn) return [];
      const at = [...written].findIndex((letter, place) => letter !== drawn[place]);
      return [`its file has ${written.slice(at, at + 80)} where its script draws ${drawn.slice(at, at + 80)}`];
    }, path);
  }

  /** Pages that are made from comments or by benchmarks, all alike. */
  const made = /^docs\/reference\/api\/.+\/.+\/|^bench\/results\//;

  test("every page opens without an error, its links to headings find them, and it fits a phone", async () => {
    const { tab, troubles } = await openTab({ viewport: { width: 375, height: 740 } });
    for (const page of pages.filter((each) => !made.test(each))) {
      await visit(tab, page);
      troubles.push(...(await faultsOf(tab)).map((what) => `${page}: ${what}`));
    }
    expect(troubles).toEqual([]);
  });

  test("so does every page that a program made, opened or by a link: both show the same", async () => {
    const { tab, troubles } = await openTab({ viewport: { width: 375, height: 740 } });
    const kinds = new Set<string>();
    for (const page of pages.filter((each) => made.test(each))) {
      // One of each kind is opened by its address. Opening them all takes four times as long.
      const kind = dirname(page);
      if (kinds.has(kind)) troubles.push(...(await follow(tab, page)).map((what) => `${page}: ${what}`));
      else await visit(tab, page);
      kinds.add(kind);
      troubles.push(...(await faultsOf(tab)).map((what) => `${page}: ${what}`));
    }
    expect(kinds.size).toBeGreaterThan(4);
    expect(troubles).toEqual([]);
    // A file that says something else than its script is noticed.
    const page = pages.findLast((each) => made.test(each)) ?? "";
    const file = join(folder, "site", page);
    await writeFile(file, (await readFile(file, "utf8")).replace(/<h1 /, "<h1 hidden "));
    await visit(tab, pages.find((each) => made.test(each)) ?? "");
    expect(await follow(tab, page)).toEqual([expect.stringContaining("its file has ")]);
  });

  test("has a dark theme that can be read", async () => {
    const { tab, troubles } = await openTab({ colorScheme: "dark" });
    await visit(tab, "docs/concepts.html");
    const colours = await tab.evaluate(() => {
      const { color } = getComputedStyle(document.querySelector("main p") ?? document.body);
      return { text: color, page: getComputedStyle(document.body).backgroundColor };
    });
    const light = (colour: string): number => Math.max(...(colour.match(/\d+(\.\d+)?/g) ?? []).slice(0, 3).map(Number));
    expect(light(colours.text) - light(colours.page)).toBeGreaterThan(128);
    expect(troubles).toEqual([]);
  });

  test("finds a page by a word", async () => {
    const { tab, troubles } = await openTab();
    await visit(tab, "docs/start.html");
    const box = tab.locator("#localsearch-input");
    await vi.waitFor(
      async () => {
        await tab.keyboard.press("Control+k");
        await box.waitFor({ timeout: 1000 });
      },
      { timeout: 600_000 },
    );
    await box.fill("false-accept");
    await tab.locator("#localsearch-list a").first().waitFor();
    expect(await tab.locator("#localsearch-list a").count()).toBeGreaterThan(0);
    expect(troubles).toEqual([]);
  });

  test("runs exported models in the page, and refuses other files", async () => {
    await writeTinyBackbone(join(folder, "tiny.onnx"), 1, 112);
    const model = join(folder, "tiny.onnx");
    const adapter = join(folder, "run");
    const small = { epochs: 1, batch: 6, rank: 4, lrPixels: [6, 8], calibration: "fit", threads: 1 } as const;
    await adapt({ model, train: "synthetic:people=6,images=2", out: adapter, ...small });
    await exportModel({ model, adapter, out: join(folder, "with-alpha.onnx"), outputs: "embedding,alpha" });
    await exportModel({ model, adapter, out: join(folder, "face.onnx") });
    const { tab, troubles } = await openTab();
    await visit(tab, "docs/try.html");
    const choose = tab.locator(".try input[type=file]");
    await choose.setInputFiles(model);
    await tab.locator("[role=status]", { hasText: "write it with petalface export" }).waitFor();
    await choose.setInputFiles({ name: "text.onnx", mimeType: "text/plain", buffer: Buffer.from("<html>") });
    await tab.locator("[role=status]", { hasText: "no ONNX model" }).waitFor();
    const rows = tab.locator("[data-test=answer] tbody tr");
    for (const [at, name] of ["with-alpha.onnx", "face.onnx"].entries()) {
      await choose.setInputFiles(join(folder, name));
      await rows.nth(at).waitFor();
    }
    const cells = async (): Promise<string[][]> =>
      Promise.all(
        (await rows.all()).map(async (row) => (await row.locator("td").allTextContents()).map((cell) => cell.trim())),
      );
    const seen: string[][] = [];
    for (const pixels of ["6", "30", "112"]) {
      await tab.locator("input[type=range]").fill(pixels);
      // The table is of this resolution once both rows agree on a quality that was not shown
      // before.
      await expect
        .poll(async () => (await cells()).every(([, quality]) => !seen.some((row) => row[1] === quality)))
        .toBe(true);
      const [newer, older] = await cells();
      expect(newer?.[0]).toBe("face.onnx");
      // One file says its alpha, the other one's is computed from its rule: the same, as is
      // everything else.
      expect(newer?.slice(1)).toEqual(older?.slice(1));
      expect(newer?.slice(1).join(" ")).toMatch(/^\d+\.\d px [01]\.\d\d -?[01]\.\d{3} \d+ of 100$/);
      seen.push(newer ?? []);
    }
    const [few, some, all] = seen.map(([, quality, alpha]) => ({
      quality: Number.parseFloat(quality ?? ""),
      alpha: Number(alpha),
    }));
    expect([few, some, all].map((each) => each?.quality)).toEqual(
      [few, some, all].map((each) => each?.quality).toSorted((a, b) => Number(a) - Number(b)),
    );
    expect(few?.alpha).toBeLessThan(all?.alpha ?? 0);
    expect(await tab.locator(".try figure").count()).toBe(6);
    expect(troubles).toEqual([]);
  });
});
