import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NewFace, openGallery, singleThreshold } from "../../../packages/petalface/src/gallery/index.ts";
import { random } from "../../../packages/petalface/src/random.ts";
import { startServer } from "../../../packages/petalface/src/server/index.ts";
import { drawnFace, makeGallery, startTest, type TestServer } from "../../../packages/petalface/test/server/server.ts";
import { tinyWidth } from "../../../packages/petalface/test/support/backbone.ts";
import { lacksChromium, needsChromium, openChromium } from "../../../packages/petalface/test/support/chromium.ts";
import { buildConsole } from "../build.ts";
import { outcomeAt } from "../src/threshold.ts";

/** A folder that pictures of every part are written into, for people to look at. */
const pictures = process.env.PETALFACE_SCREENSHOTS;

test("a threshold lets in the chosen share of strangers, and those who it sends away are named", () => {
  const face = (own: number | null, other: number) => ({ person: "a", like: "b", own, other });
  const scores = { enrolled: 4, faces: [face(0.9, 0.1), face(0.2, 0.3), face(null, 0.2), face(0.6, 0.4)] };
  expect(outcomeAt(scores, 0.25)).toMatchObject({
    threshold: 0.3,
    letIn: [{ other: 0.4 }],
    turnedAway: [{ own: 0.2 }],
    known: 3,
  });
  expect(outcomeAt(scores, 0.001)).toMatchObject({ threshold: 0.4, letIn: [], turnedAway: [{ own: 0.2 }] });
  expect(outcomeAt(scores, 1)).toMatchObject({ threshold: -1, turnedAway: [] });
});

describe.skipIf(lacksChromium)(`the page of petalface serve${needsChromium}`, () => {
  let folder: string;
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-console-"));
    await buildConsole(join(folder, "page"));
    server = await startTest({ page: join(folder, "page") }, ["--keep-crops"]);
    browser = await openChromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens the page and watches what it says and asks for. */
  async function open(
    options: Parameters<Browser["newPage"]>[0] = {},
    address = server.address,
  ): Promise<{ page: Page; troubles: string[] }> {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(600_000);
    const troubles: string[] = [];
    page.on("console", (message) => {
      // What a route refuses is shown by the page, and the browser reports it too.
      if (message.type() === "error" && !/status of (409|422)/.test(message.text())) troubles.push(message.text());
    });
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== address) troubles.push(`it asked ${request.url()}`);
    });
    await page.goto(address);
    await page.getByRole("heading", { name: "Who is it?" }).waitFor();
    return { page, troubles };
  }
  const says = (page: Page, text: string | RegExp) => page.getByRole("status").filter({ hasText: text }).waitFor();
  const picture = async (page: Page, name: string): Promise<void> => {
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  };
  const give = async (page: Page, ...faces: (readonly [number, number])[]): Promise<void> => {
    const files = faces.map(async ([person, image]) => ({
      name: `person${person}-${image}.png`,
      mimeType: "image/png",
      buffer: Buffer.from(await drawnFace(person, image, 112)),
    }));
    await page.locator("input[type=file]").setInputFiles(await Promise.all(files));
  };

  test("is small: less than 150 kB packed", async () => {
    const names = await readdir(join(folder, "page"), { recursive: true });
    let bytes = 0;
    for (const name of names) {
      const path = join(folder, "page", name);
      if ((await stat(path)).isFile()) bytes += gzipSync(await readFile(path)).length;
    }
    expect(bytes).toBeLessThan(150_000);
  });

  test("the journey: enrol, what the gate objects to, search, threshold, rename, merge, remove", async () => {
    const { page, troubles } = await open();
    await picture(page, "try-empty");
    await page.getByRole("link", { name: "People", exact: true }).click();
    await page.getByText("No person is enrolled yet.").waitFor();
    // A name is asked for first.
    await give(page, [1, 0]);
    await says(page, "Type a name first");
    for (const [name, person] of [
      ["Ada Lovelace", 1],
      ["Grace Hopper", 2],
      ["A person with a very long name that no column was made for, of Upper and Lower Winchester", 3],
    ] as const) {
      await page.getByLabel("Name", { exact: true }).fill(name);
      await give(page, [person, 0], [person, 1]);
      await says(page, `${name}: `);
      // The tiny network may find two drawn faces alike: the gate then objects.
      const all = page.getByRole("button", { name: "Enrol these all the same" });
      if (await all.isVisible()) {
        await all.click();
        await all.waitFor({ state: "hidden" });
      }
    }
    // Again the same pictures, one of them changed a little.
    await page.getByLabel("Name", { exact: true }).fill("Ada Lovelace");
    await page
      .locator("input[type=file]")
      .setInputFiles([{ name: "again.png", mimeType: "image/png", buffer: Buffer.from(await drawnFace(1, 0, 111)) }]);
    await page.getByText("again.png: near copy").waitFor();
    await picture(page, "people");
    await page.getByRole("button", { name: "Enrol these all the same" }).click();
    await says(page, "Ada Lovelace: 1 face enrolled");

    await page.getByRole("link", { name: "Try" }).click();
    // The page before it has a field for files too.
    await page.getByRole("heading", { name: "Who is it?" }).waitFor();
    await give(page, [2, 1]);
    await page.getByText("Nearest people to face 1").waitFor();
    expect(await page.locator("tbody tr th").first().textContent()).toBe("Grace Hopper");
    await picture(page, "try");

    await page.getByRole("link", { name: "Threshold" }).click();
    const slider = page.getByRole("slider");
    await page.getByText("Let in by mistake: 0 of 7").waitFor();
    await slider.focus();
    await page.keyboard.press("Home");
    await page.getByText("No threshold: everybody is let in.").waitFor();
    await page.keyboard.press("ArrowRight");
    await page.getByText("Let in by mistake: 3 of 7").waitFor();
    await picture(page, "threshold");

    await page.getByRole("link", { name: "People", exact: true }).click();
    await page.getByLabel("Find").fill("long name");
    await page.getByText("1 person", { exact: true }).waitFor();
    await page.locator("summary").click();
    await page.getByRole("img", { name: /Face 1 of A person/ }).waitFor();
    await page.getByLabel("New name").fill("Grace Hopper");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Make them one" }).click();
    await says(page, "are one person now");
    await page.getByLabel("Find").fill("");
    await page.getByText("2 people").waitFor();
    await page.locator("summary", { hasText: "Ada Lovelace" }).click();
    await page.getByRole("button", { name: "Remove face 1 of Ada Lovelace" }).click();
    // Escape gives up.
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Remove Ada Lovelace", exact: true }).click();
    await picture(page, "remove");
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await says(page, "Ada Lovelace is removed");
    const { body } = await server.ask("GET", "/v1/galleries/people/people");
    expect(body.people).toMatchObject([{ name: "Grace Hopper", faces: 4 }]);
    expect(troubles).toEqual([]);
    await page.close();
  });

  test("a photo of the camera is enrolled", async () => {
    const { page, troubles } = await open();
    await page.getByRole("link", { name: "People", exact: true }).click();
    await page.getByLabel("Name", { exact: true }).fill("Camera");
    await page.getByRole("button", { name: "Use the camera" }).click();
    const width = (): Promise<unknown> => page.evaluate("document.querySelector('video')?.videoWidth ?? 0");
    await expect.poll(width).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Take a photo" }).click();
    // The server of this test looks for no faces, and says so.
    await page
      .getByText(/is not an aligned face/)
      .first()
      .waitFor();
    expect(troubles).toEqual([]);
    await page.close();
  });

  const looks = [
    ["desktop, light", { viewport: { width: 1280, height: 800 }, colorScheme: "light" }],
    ["desktop, dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
    ["phone, light", { viewport: { width: 360, height: 740 }, colorScheme: "light" }],
    ["phone, dark", { viewport: { width: 360, height: 740 }, colorScheme: "dark" }],
  ] as const;
  test.each(looks)(
    "axe finds nothing to object to, and nothing is wider than the window: %s",
    async (name, options) => {
      for (const person of [4, 5]) {
        const photos = [await drawnFace(person), await drawnFace(person, 1)].map((one) =>
          Buffer.from(one).toString("base64"),
        );
        await server.ask(
          "POST",
          `/v1/galleries/people/people/Person${"-with-a-name".repeat(person)}/faces?force=true`,
          { photos },
        );
      }
      const { page, troubles } = await open(options);
      const check = async (part: string): Promise<void> => {
        await page.evaluate(axe.source);
        const violations = await page.evaluate(
          "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes.map(({ html }) => html).join(' ')))",
        );
        expect(violations, part).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), part).toBeLessThanOrEqual(0);
        await picture(page, `${part}, ${name}`.replaceAll(/\W+/g, "-"));
      };
      await give(page, [4, 0], [5, 1]);
      await page.getByText("Nearest people to face 1").first().waitFor();
      await check("try");
      await page.getByRole("link", { name: "People", exact: true }).click();
      await page.locator("summary", { hasText: "Person-" }).first().click();
      await page
        .getByRole("button", { name: /^Remove Person/ })
        .first()
        .click();
      await page.getByRole("dialog").waitFor();
      await check("dialog");
      await page.keyboard.press("Escape");
      await check("people");
      await page.getByRole("link", { name: "Threshold" }).click();
      await page.getByText(/Let in by mistake/).waitFor();
      await check("threshold");
      await page.goto(`${server.address}/docs`);
      await check("docs");
      expect(troubles).toEqual([]);
      await page.close();
    },
  );

  test("10,000 people are listed a page at a time, and found by their names", async () => {
    const made = await makeGallery();
    const nameOf = (number: number): string => `Person ${String(number).padStart(5, "0")}`;
    {
      await using store = await openGallery(made.gallery);
      const stream = random("many people", 1);
      const numbers = (): Float32Array => Float32Array.from({ length: tinyWidth }, () => stream.normal());
      const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => stream.int(256));
      const face = (): NewFace => ({
        ...{ vector: numbers(), copies: numbers(), alpha: 1, score: null },
        ...{ source: bytes(16), picture: bytes(32) },
      });
      const people = Array.from({ length: 10_000 }, (_, number) => ({ person: nameOf(number), faces: [face()] }));
      await store.addAll(people);
    }
    const many = await startServer({
      galleries: [made.gallery],
      page: join(folder, "page"),
      // Estimating them on so many people would take the longest.
      thresholds: { kind: "given", table: singleThreshold(0.5) },
      ...{ port: 0, open: true, detector: "none", threads: 1 },
    });
    const { page, troubles } = await open({}, many.address);
    await page.getByText("the nearest of 10,000 people enrolled").waitFor();
    await give(page, [1, 0]);
    await page.getByText("Nearest people to face 1").waitFor();
    await page.getByRole("link", { name: "People", exact: true }).click();
    await page.getByText("10,000 people", { exact: true }).waitFor();
    const shown = page.locator("ul.people > li");
    expect(await shown.count()).toBe(50);
    await page.getByRole("button", { name: "Show more people" }).click();
    await page.locator("summary", { hasText: nameOf(99) }).waitFor();
    expect(await shown.count()).toBe(100);
    // Who asks for more goes on at the first of them.
    expect(await page.evaluate("document.activeElement.textContent")).toContain(nameOf(50));
    await page.getByLabel("Find").fill(nameOf(9_999));
    await page.getByText("1 person", { exact: true }).waitFor();
    expect(await shown.count()).toBe(1);
    await page.getByRole("link", { name: "Threshold" }).click();
    await page.getByText("Let in by mistake: 5 of 512").waitFor();
    expect(troubles).toEqual([]);
    await page.close();
    await many.close();
    await rm(made.folder, { recursive: true, force: true });
  });

  test("everything is reached with the keyboard alone", async () => {
    const { page } = await open();
    const reached = new Set<string>();
    for (let press = 0; press < 12; press++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate("document.activeElement.textContent.trim() || document.activeElement.type"));
    }
    for (const name of [
      "Skip to the content",
      "Try",
      "People",
      "Threshold",
      "API",
      "file",
      "Use the camera",
      "checkbox",
    ])
      expect([...reached]).toContain(name);
    await page.close();
  });

  test("a server that has gone is named", async () => {
    const { page } = await open();
    await page.route("**/v1/**", (route) => route.abort());
    await page.getByRole("link", { name: "People", exact: true }).click();
    await says(page, "the server cannot be reached");
    await page.close();
  });
});
