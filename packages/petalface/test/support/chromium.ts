import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/**
 * Chromium without windows starts faster, and shows pages in less processor time. It is Debian's
 * package `chromium-headless-shell`.
 */
const path = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

/** Whether this machine has no chromium. */
export const lacksChromium = path === undefined;

/** Ends the name of a test that needs chromium. */
export const needsChromium = lacksChromium ? " (skipped: needs Debian's chromium)" : "";

/**
 * For pages that compute little with onnxruntime: its functions are compiled once. Compiling the
 * most used ones again, optimised, would take three times longer than that. Pages that train are
 * faster with it.
 */
export const compiledOnce = "--js-flags=--no-wasm-tier-up,--no-wasm-dynamic-tiering";

/** Starts chromium with these switches. */
export async function openChromium(...switches: string[]): Promise<Browser> {
  if (path === undefined) throw new Error("chromium is not installed");
  return await chromium.launch({
    executablePath: path,
    timeout: 600_000,
    args: ["--no-sandbox", ...switches],
  });
}
