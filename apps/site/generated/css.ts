import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { preview } from "vite";
const server = await preview({ root: "/tmp/petal/site", configFile: false, logLevel: "warn", build: { outDir: "/tmp/petal/site/out" }, preview: { host: "127.0.0.1", port: 0 } });
const base = server.resolvedUrls?.local[0] ?? "";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const css = readFileSync(".vitepress/theme/style.css", "utf8");
for (const [page, width, scheme] of [["docs/start", 375, "light"], ["docs/quality", 375, "dark"], ["docs/quality", 1280, "light"], ["docs/files", 375, "light"]] as const) {
  const tab = await browser.newPage({ viewport: { width, height: 1300 }, colorScheme: scheme });
  await tab.goto(base + page + ".html"); await tab.waitForFunction(() => "__vue_app__" in (document.querySelector("#app") ?? {}));
  await tab.addStyleTag({ content: css });
  await tab.screenshot({ path: `/tmp/petal/site-shots/new-${page.replace("/", "_")}-${width}-${scheme}.png` });
}
await browser.close(); await server.close(); process.exit(0);
