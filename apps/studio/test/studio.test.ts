import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { itemAt, setBatch } from "onnx-grad";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { drawFace, openFaceSpace, type Pixels, toPlanes } from "petalface/images";
import { openSession } from "petalface/runtime";
import { trainingGraph, trainingOptions } from "petalface/training";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../../../packages/petalface/test/support/backbone.ts";
import { lacksChromium, needsChromium, openChromium } from "../../../packages/petalface/test/support/chromium.ts";
import { temporaryFolder } from "../../../packages/petalface/test/support/folder.ts";
import { buildStudio, serveStudio } from "../build.ts";
import type { StudioPlan } from "../src/plan.ts";
import type { Run } from "../src/work/engine.ts";
import { drawPeople } from "../src/work/faces.ts";
import { train } from "../src/work/train.ts";

const [steps, size] = [12, 16];

/** Length of the difference over the length of `expected`. */
function distance(values: Float32Array, expected: Float32Array): number {
  const length = (of: (i: number) => number): number => Math.hypot(...expected.map((_, i) => of(i)));
  return length((i) => itemAt(values, i) - itemAt(expected, i)) / length((i) => itemAt(expected, i));
}

describe.skipIf(lacksChromium)(`the page that adapts in the browser${needsChromium}`, () => {
  const folder = temporaryFolder("petalface-studio-test-");
  let server: Awaited<ReturnType<typeof serveStudio>>;
  let browser: Browser;
  const model = () => join(folder, "tiny.onnx");

  beforeAll(async () => {
    await writeTinyBackbone(model());
    const options = { rank: 2, lrPixels: [3, 4, 6], measured: [6, 4] };
    await buildStudio({ model: model(), out: join(folder, "site"), ...options });
    server = await serveStudio(join(folder, "site"), 0);
    browser = await openChromium("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader");
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page on a provider and watches what it says and asks for. */
  async function openPage(provider: string): Promise<{ page: Page; troubles: string[] }> {
    const page = await browser.newPage({ acceptDownloads: true });
    page.setDefaultTimeout(600_000);
    const troubles: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") troubles.push(message.text());
    });
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== new URL(server.url).origin)
        troubles.push(`it asked ${request.url()}`);
      if (request.method() !== "GET") troubles.push(`it sent ${request.method()} ${request.url()}`);
    });
    await page.goto(`${server.url}?provider=${provider}`);
    await page.locator("#synthetic:enabled").waitFor();
    return { page, troubles };
  }

  async function trained(page: Page): Promise<void> {
    await page.fill("#steps", String(steps));
    await page.click("#start");
    await page.locator("#save-model:enabled").waitFor();
  }

  async function saved(page: Page, button: string): Promise<Buffer> {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
    return readFile(await download.path());
  }

  test.each([
    ["wasm", 1e-4],
    ["webgpu", 1e-3],
  ])("trains on %s to what petalface trains to in Node, and saves it", async (provider, tolerance) => {
    const { page, troubles } = await openPage(provider);
    expect(await page.textContent("#model")).toContain(`computing with ${provider}`);
    await page.click("#synthetic");
    await page.locator("#start:enabled").waitFor();
    await trained(page);
    expect(await page.textContent("#train-note")).toContain(`${steps} steps in`);
    expect(await page.locator("#table tbody tr").count()).toBe(4);
    const kept = Number(
      /([\d.]+) % of the faces as given keep/.exec((await page.textContent("#result-note")) ?? "")?.[1],
    );

    const archive = unzipSync(await saved(page, "#save-adapter"));
    for (const [name, bytes] of Object.entries(archive)) {
      await mkdir(join(folder, provider, "adapter"), { recursive: true });
      await writeFile(join(folder, provider, name), bytes);
    }
    const backbone = await openBackbone(model());
    const adapter = await loadAdapter(join(folder, provider), backbone);
    const plan = JSON.parse(await readFile(join(folder, "site", "studio.json"), "utf8")) as StudioPlan;
    const expected = await trainInNode(plan, adapter.config);
    expect(distance(adapter.theta, expected)).toBeLessThan(tolerance);
    // The deployed file says the same as the adapter in its backbone, and leaves sharp faces as
    // they were.
    await writeFile(join(folder, provider, "face.onnx"), await saved(page, "#save-model"));
    const deployed = await openBackbone(join(folder, provider, "face.onnx"));
    expect(deployed.graph.metadata.get("petalface.calibration")).toBe(JSON.stringify(adapter.config.calibration));
    const planes = await somePlanes();
    const [a, b, frozen] = [deployed, adaptedModel(backbone, adapter), backbone].map((each) => embed(each, planes));
    expect(await a).toEqual(await b);
    expect(await a).not.toEqual(await frozen);
    if (provider === "wasm") expect(kept).toBeGreaterThan(80);
    expect(troubles).toEqual([]);
    await page.close();
  });

  /** Files of 24 people, as a visitor has them. */
  async function drawnPictures(): Promise<{ name: string; mimeType: string; buffer: Buffer }[]> {
    const space = await openFaceSpace();
    return await Promise.all(
      Array.from({ length: 24 }, async (_, person) => {
        const { data } = drawFace(space, { seed: 5, person, image: 0 }, 64);
        const image = sharp(data, { raw: { width: 64, height: 64, channels: 3 } });
        return { name: `gesicht ${person} ü.png`, mimeType: "image/png", buffer: await image.png().toBuffer() };
      }),
    );
  }

  /** Elements that stick out of the window to the right; the page scrolls sideways then. */
  const tooWide = (page: Page) =>
    page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      const out = [...document.querySelectorAll("body *")].filter(
        (each) => each.getBoundingClientRect().right > clientWidth + 0.5,
      );
      return [...(scrollWidth > clientWidth ? ["the page"] : []), ...out.map(({ tagName, id }) => `${tagName} ${id}`)];
    });

  /**
   * Colours of the chart's pixels that are not clear, most frequent first, and the chart's width.
   */
  const chartLook = (page: Page) =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>("#chart canvas");
      const context = canvas?.getContext("2d");
      if (canvas === null || context === null || context === undefined) throw new Error("no chart");
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set<string>();
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] === 255) colours.add(data.subarray(at, at + 3).join());
      return { colours: [...colours], width: canvas.getBoundingClientRect().width };
    });

  test("fits a phone; the chart follows the window and the colour scheme", async () => {
    const { page, troubles } = await openPage("wasm");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 320, height: 700 });
    expect(await tooWide(page)).toEqual([]);
    // A model's name may be a path without a space.
    await page.locator("#model").evaluate((note) => {
      note.textContent = `${"a-long-folder/".repeat(9)}model.onnx: 1 frozen weight`;
    });
    expect(await tooWide(page)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
    // A chart of few faces looks like one of many, and takes less time.
    await page.setInputFiles("#pictures", await drawnPictures());
    await page.locator("#start:enabled").waitFor();
    await trained(page);
    const [accent, darkAccent] = ["36,87,197", "143,177,255"];
    const wide = await chartLook(page);
    expect(wide.width).toBeGreaterThan(700);
    expect(wide.colours).toContain(accent);
    await page.setViewportSize({ width: 375, height: 700 });
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(async () => (await chartLook(page)).width).toBeLessThan(375);
    await expect.poll(async () => (await chartLook(page)).colours).toContain(darkAccent);
    expect((await chartLook(page)).colours).not.toContain(accent);
    expect(await tooWide(page)).toEqual([]);
    expect(troubles).toEqual([]);
    await page.close();
  });

  /** The same loop over the same faces, with onnxruntime in Node as its engine. */
  async function trainInNode(plan: StudioPlan, config: Awaited<ReturnType<typeof loadAdapter>>["config"]) {
    const backbone = await openBackbone(model());
    const options = trainingOptions({ ...plan.options });
    const [training, frozen] = await Promise.all([
      openSession(trainingGraph(backbone, config, options, 0).graph),
      openSession(setBatch(backbone.graph, plan.options.batch)),
    ]);
    const runOf =
      (session: typeof training): Run =>
      async (feeds) => {
        const tensors = Object.entries(feeds).map(
          ([name, { data, dims }]) => [name, { dtype: "float32", data, dims }] as const,
        );
        const results = await session.run(Object.fromEntries(tensors));
        return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
      };
    const theta = new Float32Array(new Uint8Array(await readFile(join(folder, "site", "theta.f32"))).buffer);
    const { train: faces } = drawPeople(await openFaceSpace(), size, 300, 0);
    const losses: number[] = [];
    const onStep = async ({ loss }: { loss: number }) => losses.push(loss) > 0;
    await train({ plan, faces, steps, train: runOf(training), frozen: runOf(frozen), onStep }, theta);
    expect(losses.at(-1)).toBeLessThan(itemAt(losses, 0));
    await Promise.all([training.close(), frozen.close()]);
    return theta;
  }

  async function somePlanes(): Promise<Uint8Array> {
    const space = await openFaceSpace();
    const planes = new Uint8Array(4 * 3 * size * size);
    for (let i = 0; i < 4; i++) {
      const blurred: Pixels = drawFace(space, { seed: 9, person: i, image: 0 }, size);
      toPlanes({ ...blurred, data: blurred.data.map((value) => 100 + value / 16) }, planes, i * 3 * size * size);
    }
    return planes;
  }

  async function embed(each: Parameters<typeof openEmbedder>[0], planes: Uint8Array): Promise<number[]> {
    const embedder = await openEmbedder(each, { threads: 1 });
    const { data } = await embedder.embed(planes, 4);
    await embedder.close();
    return Array.from(data.subarray(0, 4 * each.width));
  }

  test("takes the visitor's own pictures, says which it cannot read, and can be stopped", async () => {
    const { page, troubles } = await openPage("wasm");
    const pictures = await drawnPictures();
    await page.setInputFiles("#pictures", pictures.slice(0, 3));
    await page.locator("#faces-note.bad").waitFor();
    expect(await page.textContent("#faces-note")).toMatch(/^3 of 3 pictures could be read; at least 12 are needed/);

    const broken = { name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") };
    await page.setInputFiles("#pictures", [...pictures, broken]);
    await page.locator("#start:enabled").waitFor();
    expect(await page.textContent("#faces-note")).toBe(
      "18 faces to train on, 6 held-out people to measure on. 1 could not be read.",
    );
    expect(await page.locator("#samples canvas").count()).toBe(8);

    await page.fill("#steps", "");
    await page.click("#start");
    expect(await page.textContent("#train-note")).toBe("steps: a whole number from 1 to 5000");
    await page.fill("#steps", "5000");
    await page.click("#start");
    await page.getByText(/^step \d+ of 5000/).waitFor();
    await page.click("#stop");
    await page.locator("#save-model:enabled").waitFor();
    expect(await page.textContent("#train-note")).toMatch(/^\d+ steps in \d+ s$/);
    expect(await page.textContent("#table")).toContain("finds its own picture first");
    expect(await page.textContent("#result-note")).toMatch(
      /^Too few faces to tell what is chance: 6 held-out people where at least 20 are needed\. One picture in four is/,
    );
    expect(troubles).toEqual([]);
    await page.close();
  });
});
