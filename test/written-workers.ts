import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

/** The sources of which test/command-line.ts writes few files. */
export const sources = join(dirname(fileURLToPath(import.meta.url)), "..", "packages", "petalface", "src");

/** Whether a source names its own place in order to start a worker next to it. */
export const startsWorkers = (code: string): boolean =>
  code.includes("import.meta.url") && /\bopenWorkers\b|worker(\.|\$)/.test(code);

/** What a source would be called among the written files, where the workers have such names. */
export const writtenName = (source: string): string =>
  relative(sources, source).replace(/\.ts$/, ".js").split(sep).join("/");

/**
 * Lets threads that tests start run written files too, where there are some: a thread that loads
 * many sources takes twice as long to start.
 */
export const writtenWorkers: Plugin = {
  name: "written-workers",
  enforce: "pre",
  transform(code, id) {
    if (!id.startsWith(sources) || !startsWorkers(code)) return undefined;
    const written = `new URL(${JSON.stringify(writtenName(id))}, process.env.PETALFACE_TEST_FILES).href`;
    const place = `(process.env.PETALFACE_TEST_FILES === undefined ? import.meta.url : ${written})`;
    return { code: code.replaceAll("import.meta.url", place), map: null };
  },
};
