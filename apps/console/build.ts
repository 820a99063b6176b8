import { resolve } from "node:path";
import { build } from "vite";

/** Writes the page into a folder, from which `petalface serve` sends it. */
export async function buildConsole(out: string): Promise<void> {
  await build({
    root: import.meta.dirname,
    base: "./",
    configFile: false,
    logLevel: "warn",
    // A relative path would be taken from vite's root.
    build: { outDir: resolve(out), emptyOutDir: true, target: "es2022", modulePreload: false, assetsInlineLimit: 0 },
  });
}
