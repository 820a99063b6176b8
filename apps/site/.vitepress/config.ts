import { defineConfig } from "vitepress";
import { withCellKinds, withoutSourceLinks, withPageTitles } from "../links.ts";
import { excluded, sidebar } from "../pages.ts";

/** A petal. In the page itself: no further file is asked for. */
const icon = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M16 2C28 10 26 24 16 30C6 24 4 10 16 2z" fill="#bf3989"/></svg>')}`;

export default defineConfig({
  title: "petalface",
  description: "Adapts any face recogniser to low-resolution faces.",
  lang: "en",
  // Pages link to each other as files of the repository, so the site keeps the repository's
  // folders.
  srcDir: "../..",
  srcExclude: excluded,
  rewrites: { "docs/index.md": "index.md" },
  cacheDir: "../../node_modules/.cache/petalface-site",
  outDir: "./dist",
  lastUpdated: false,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: icon }]],
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Start", link: "/docs/start" },
      { text: "Commands", link: "/docs/reference/commands" },
      { text: "Results", link: "/docs/results" },
      { text: "Leaderboard", link: "/docs/leaderboard" },
    ],
    sidebar,
  },
  markdown: {
    config(md) {
      withPageTitles(md);
      withoutSourceLinks(md);
      withCellKinds(md);
    },
  },
  vite: {
    // The engine's own files are assets of the site; bundled ones would be there twice.
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "browser", "module", "import", "default"] },
    build: { chunkSizeWarningLimit: 2000 },
  },
});
