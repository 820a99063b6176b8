import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningServer, startServer } from "../../../packages/petalface/src/server/index.ts";
import { commandLine, petalface } from "../../../packages/petalface/test/cli/process.ts";
import { drawnFace, makeGallery } from "../../../packages/petalface/test/server/server.ts";
import { lacksChromium, needsChromium, openChromium } from "../../../packages/petalface/test/support/chromium.ts";
import { buildConsole } from "../build.ts";

/**
 * A folder that pictures of the journey are written into, such as docs/figures/serve. With it the
 * journey is made with fr_feature and trains for two minutes, so that the pictures show what people
 * will see. Without it a tiny network with random weights stands in.
 */
const pictures = process.env.PETALFACE_SCREENSHOTS;
const shared = resolve(import.meta.dirname, "../../..", process.env.PETALFACE_SHARED ?? "../shared");
const weights = join(shared, "weights/fr_feature.onnx");
const isReal = pictures !== undefined && existsSync(weights);
const side = isReal ? 112 : 32;

describe.skipIf(lacksChromium)(`the whole journey${needsChromium}`, () => {
  let folder: string;
  const galleries: string[] = [];
  let server: RunningServer;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-journey-"));
    await buildConsole(join(folder, "page"));
    const data = join(folder, "data");
    for (const [set, first, people] of [
      ["cameras", 100, isReal ? 60 : 24],
      ["others", 300, isReal ? 60 : 22],
    ] as const)
      for (let person = first; person < first + people; person++)
        for (const image of [0, 1, 2]) {
          await mkdir(join(data, set, `person-${person}`), { recursive: true });
          await writeFile(join(data, set, `person-${person}`, `${image}.png`), await drawnFace(person, image, side));
        }
    const tiny = await makeGallery("--keep-crops");
    galleries.push(tiny.folder);
    let { gallery } = tiny;
    if (isReal) {
      gallery = join(tiny.folder, "door.db");
      const made = await petalface(["gallery", "create", gallery, "--model", weights, "--keep-crops"]);
      expect(made.code, made.stderr).toBe(0);
    }
    server = await startServer({
      galleries: [gallery],
      port: 0,
      open: true,
      detector: "none",
      page: join(folder, "page"),
      ...(isReal ? {} : { threads: 1 }),
      gate: { alpha: 0, side: 1 },
      jobs: { folder: join(folder, "jobs"), data, program: [process.execPath, commandLine] },
    });
    browser = await openChromium();
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    for (const each of [folder, ...galleries]) await rm(each, { recursive: true, force: true });
  });

  const says = (page: Page, text: string | RegExp) => page.getByRole("status").filter({ hasText: text }).waitFor();
  const picture = async (page: Page, name: string): Promise<void> => {
    if (pictures === undefined) return;
    await mkdir(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.jpg`), type: "jpeg", quality: 80 });
  };
  const faceFile = async (person: number, image: number) => ({
    name: `face-${image + 1}.png`,
    mimeType: "image/png",
    buffer: Buffer.from(await drawnFace(person, image, side)),
  });
  /** What axe objects to, and by how much the page is too wide, at a width and in a theme. */
  async function look(page: Page, part: string): Promise<void> {
    for (const colorScheme of ["dark", "light"] as const)
      for (const width of [375, 1280]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        await page.evaluate(axe.source);
        const found = await page.evaluate(
          "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes.map(({ html }) => html).join(' ')))",
        );
        expect(found, `${part}, ${colorScheme}, ${width}`).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), part).toBeLessThanOrEqual(0);
      }
  }

  test("photo, enrol, search, adapt, compare, export", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
    page.setDefaultTimeout(900_000);
    const troubles: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of (409|422)/.test(message.text())) troubles.push(message.text());
    });
    page.on("pageerror", (error) => troubles.push(error.message));
    await page.goto(server.address);

    // Enrol four people, and search for one with another photo.
    await page.getByRole("link", { name: "People", exact: true }).click();
    for (const [name, person] of [
      ["Ada Lovelace", 1],
      ["Grace Hopper", 2],
      ["Katherine Johnson", 3],
      ["Alan Turing", 4],
    ] as const) {
      await page.getByLabel("Name", { exact: true }).fill(name);
      await page.locator("input[type=file]").setInputFiles([await faceFile(person, 0), await faceFile(person, 1)]);
      await says(page, new RegExp(`^${name}: |^No face is enrolled`));
      // A tiny network may find two drawn faces alike: the gate then objects.
      const all = page.getByRole("button", { name: "Enrol these all the same" });
      if (await all.isVisible()) {
        await all.click();
        await says(page, new RegExp(`^${name}: [12] faces? enrolled`));
      }
    }
    await page.getByText("4 people", { exact: true }).waitFor();
    await picture(page, "people");
    await page.getByRole("link", { name: "Try" }).click();
    // The page before it has a field for files too.
    await page.getByRole("heading", { name: "Who is it?" }).waitFor();
    await page.locator("input[type=file]").setInputFiles([await faceFile(2, 1)]);
    await page.getByText("Nearest people to face 1").waitFor();
    expect(await page.locator("tbody tr th").first().textContent()).toBe("Grace Hopper");
    await picture(page, "try");

    // Nothing was measured: the page says where to begin.
    await page.getByRole("link", { name: "Measure", exact: true }).click();
    await page.getByText("Nothing was measured yet").waitFor();
    await page.getByRole("main").getByRole("link", { name: "Adapt" }).click();

    // Adapt with the keyboard: choose the faces, the minutes, start.
    await page.getByRole("img", { name: "person-100, 16 px" }).waitFor();
    expect(await page.getByLabel("Faces to measure it on").inputValue()).toBe("others");
    await page.getByLabel("Minutes for training").fill(isReal ? "2" : "0.1");
    await page.getByText(/training gains was not measured|of the gain of 27,224/).waitFor();
    await look(page, "adapt");
    await picture(page, "adapt");
    await page.getByLabel("Minutes for training").press("Enter");
    await says(page, "The training was started");
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    if (isReal) {
      await page.locator("svg.loss").waitFor();
      await page.locator("svg.loss").scrollIntoViewIfNeeded();
      await picture(page, "training");
    }

    // It is measured by itself, and its report is shown.
    const frame = page.frameLocator("iframe.report");
    await frame.getByRole("heading", { name: "What to do next" }).waitFor();
    expect(await frame.locator(".lead").textContent()).toMatch(/^Of 100 faces at 1[26] px we (now )?find /);
    expect(await frame.locator(".probes > li").count()).toBe(6);
    await page.locator("iframe.report").scrollIntoViewIfNeeded();
    await picture(page, "report");
    await look(page, "adapt, with a report");

    // Compare the frozen model with the adapted one.
    await page.getByRole("link", { name: "Measure", exact: true }).click();
    await page.locator("table.measures tbody tr").first().waitFor();
    expect(await page.getByLabel("After", { exact: true }).inputValue()).toMatch(/\/adapted$/);
    expect(await page.locator("table.measures tbody tr").count()).toBeGreaterThan(5);
    expect(await page.locator("svg.roc").count()).toBeGreaterThan(1);
    await look(page, "measure");
    await picture(page, "measure");
    // The same result twice: nothing differs.
    await page
      .getByLabel("After", { exact: true })
      .selectOption(await page.getByLabel("Before", { exact: true }).inputValue());
    await page.getByText(/^0 of \d+ measures are better, 0 are worse/).waitFor();

    // Take it into production, and download it.
    await page.getByRole("link", { name: "Adapt", exact: true }).click();
    // Photos of the enrolled people, for a gallery that keeps none, come from any folder.
    const pictures = page.getByLabel("Its photos come from");
    await pictures.locator("option", { hasText: "others" }).waitFor({ state: "attached" });
    expect(await pictures.inputValue()).toBe("");
    await page.getByLabel("Take it into production as").selectOption("onnx");
    await page.getByRole("button", { name: "Make the model" }).click();
    const link = page.getByRole("link", { name: "face.onnx" });
    await link.waitFor();
    await link.scrollIntoViewIfNeeded();
    await picture(page, "export");
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    expect(download.suggestedFilename()).toBe("face.onnx");
    const path = join(folder, "face.onnx");
    await download.saveAs(path);
    const inspected = await petalface(["inspect", path, "--json"]);
    expect(inspected.code, inspected.stderr).toBe(0);
    expect(troubles).toEqual([]);
    await page.close();
  }, 1_800_000);

  test("a server without jobs says how to start one with them", async () => {
    const tiny = await makeGallery();
    galleries.push(tiny.folder);
    await using plain = await startServer({
      galleries: [tiny.gallery],
      port: 0,
      open: true,
      detector: "none",
      threads: 1,
      page: join(folder, "page"),
    }).then((running) => ({ ...running, [Symbol.asyncDispose]: () => running.close() }));
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    for (const part of ["adapt", "measure"]) {
      await page.goto(`${plain.address}/#${part}`);
      await page.getByRole("heading", { name: "This server runs no jobs" }).waitFor();
      await page.getByText("--jobs jobs --data faces").waitFor();
    }
    await page.close();
  });
});
