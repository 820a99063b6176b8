import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build, preview } from "vite";
import { type PrepareOptions, prepareStudio } from "./prepare.ts";

/** What lets wasm use several threads; without them the page works, with one. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Writes the whole page into a folder: its code bundled, its graphs next to it. */
export async function buildStudio({
  out,
  ...options
}: Omit<PrepareOptions, "folder"> & { readonly out: string }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "petalface-studio-parts-"));
  try {
    await prepareStudio({ ...options, folder });
    await build({
      root: import.meta.dirname,
      base: "./",
      configFile: false,
      logLevel: "warn",
      publicDir: folder,
      worker: { format: "es" },
      // The engine's own files are next to the page (prepare.ts); bundled ones would be there
      // twice.
      resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "browser", "module", "import", "default"] },
      // A relative path would be taken from vite's root, which is not the page's folder.
      build: { outDir: resolve(out), emptyOutDir: true, target: "es2024", chunkSizeWarningLimit: 2000 },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Serves a built page on this machine alone. */
export async function serveStudio(
  folder: string,
  port: number,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = await preview({
    root: import.meta.dirname,
    configFile: false,
    logLevel: "warn",
    build: { outDir: folder },
    preview: { host: "127.0.0.1", port, strictPort: port !== 0, headers },
  });
  const url = server.resolvedUrls?.local[0] ?? `http://127.0.0.1:${port}/`;
  return { url, close: () => server.close() };
}
