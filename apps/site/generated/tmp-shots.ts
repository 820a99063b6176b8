import { readdir } from "node:fs/promises";
import { chromium } from "playwright-core";
import { preview } from "vite";
import { buildSite } from "../build.ts";
const out = "/tmp/petal/site/out";
if (process.argv[2] === "build") { await buildSite(out); process.exit(0); }
const only = process.argv[3] ? new RegExp(process.argv[3]) : /./;
const pages = (await readdir(out, { recursive: true })).filter((f) => f.endsWith(".html") && f !== "404.html" && !f.includes("reference/api/") && only.test(f));
const server = await preview({ root: "/tmp/petal/site", configFile: false, logLevel: "warn", build: { outDir: out }, preview: { host: "127.0.0.1", port: 0 } });
const base = server.resolvedUrls?.local[0] ?? "";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const width of [375, 1280]) for (const colorScheme of ["light", "dark"] as const) {
  const context = await browser.newContext({ viewport: { width, height: width === 375 ? 740 : 900 }, colorScheme });
  const tab = await context.newPage();
  for (const page of pages) {
    await tab.goto(base + page);
    await tab.waitForFunction(() => "__vue_app__" in (document.querySelector("#app") ?? {}));
    const cut = await tab.evaluate(() => {
      const out: string[] = [];
      for (const el of document.querySelectorAll<HTMLElement>(".vp-doc pre, .vp-doc table")) {
        if (el.scrollWidth > el.clientWidth + 1) out.push(`${el.tagName} ${el.scrollWidth}>${el.clientWidth}`);
      }
      return out;
    });
    if (width === 1280 && colorScheme === "light" && cut.length) console.log(page, cut.join("; "));
    await tab.screenshot({ path: `/tmp/petal/site-shots/${page.replaceAll("/", "_").replace(".html", "")}-${width}-${colorScheme}.jpg`, fullPage: true, type: "jpeg", quality: 60 });
  }
  await context.close();
}
await browser.close(); await server.close(); process.exit(0);
