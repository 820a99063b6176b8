import { fileURLToPath } from "node:url";
import { build } from "vitepress";
import { writeApi } from "./api.ts";
import { writeQuality } from "./quality.ts";

const root = fileURLToPath(new URL(".", import.meta.url));

/**
 * Builds the site, without a network.
 *
 * @param out folder for it; apps/site/dist unless given
 * @throws Error where a page links to one that does not exist
 */
export async function buildSite(out?: string): Promise<void> {
  await Promise.all([writeApi(), writeQuality()]);
  await build(root, out === undefined ? {} : { outDir: out });
}
