import { createHash } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "tsdown";
import { sources, startsWorkers, writtenName } from "./written-workers.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Inside of node_modules, so that programs there find the packages. */
const place = join(root, "node_modules", ".cache", "command-line");

/**
 * Names the command line that processes of tests start (`commandLine` in test/cli/process.ts): the
 * sources in a few files. A process that loads hundreds of sources takes longer for that than for
 * most of what tests ask of it, and so does each of its threads.
 */
export default async function setup(): Promise<void> {
  // Vitest calls this for each project.
  if (process.env.PETALFACE_TEST_COMMAND !== undefined) return;
  const folder = await bundle();
  process.env.PETALFACE_TEST_COMMAND = join(folder, "main.js");
  process.env.PETALFACE_TEST_FILES = pathToFileURL(join(folder, "/")).href;
}

/** Milliseconds after which the files of other sources are removed. */
const day = 24 * 60 * 60 * 1000;

/**
 * Writes the command line's files into a folder that is named by their content, as Node keeps
 * compiled code by the path of a file.
 */
async function bundle(): Promise<string> {
  await mkdir(place, { recursive: true });
  const unfinished = await mkdtemp(join(place, "unfinished-"));
  try {
    await build({
      cwd: join(root, "packages", "petalface"),
      entry: { main: join(sources, "cli", "main.ts"), ...workers(), ...programs() },
      outDir: unfinished,
      format: "esm",
      platform: "node",
      target: "node24",
      fixedExtension: false,
      dts: false,
      clean: false,
      report: false,
      config: false,
      logLevel: "error",
      deps: { alwaysBundle: [/^onnx-grad/] },
      plugins: [{ name: "places", transform: keepPlaces, renderChunk: placeWorkers }],
    });
    const hash = createHash("sha256");
    for (const name of (await readdir(unfinished, { recursive: true })).filter((each) => each.endsWith(".js")).sort())
      hash.update(`${name}\0`).update(await readFile(join(unfinished, name)));
    const folder = join(place, hash.digest("hex").slice(0, 16));
    // Another run of the tests may be faster.
    if (!existsSync(folder))
      await rename(unfinished, folder).catch((error) => existsSync(folder) || Promise.reject(error));
    for (const other of (await readdir(place)).map((name) => join(place, name))) {
      const made = await stat(other).catch(() => undefined);
      if (made !== undefined && other !== folder && Date.now() - made.mtimeMs > day)
        await rm(other, { recursive: true, force: true });
    }
    return folder;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Entry points of threads and of other processes, by their name without `.ts`. */
function workers(): Record<string, string> {
  const files = globSync("**/*worker.ts", { cwd: sources });
  return Object.fromEntries(
    files.map((file) => [file.slice(0, -".ts".length).split(sep).join("/"), join(sources, file)]),
  );
}

/** Programs of tests which are started many times. */
function programs(): Record<string, string> {
  const folder = join(root, "packages", "petalface", "test", "gallery");
  return Object.fromEntries(["adder", "indexer"].map((name) => [`programs/${name}`, join(folder, `${name}.ts`)]));
}

/** Stands for the place of a module among the written files, until that is known. */
const placeOf = (module: string): string => JSON.stringify(`written:${module}`);

/**
 * Assets and the version are found next to the sources, and workers next to the module that starts
 * them.
 */
function keepPlaces(code: string, id: string): string | undefined {
  if (!code.includes("import.meta.")) return undefined;
  return code
    .replaceAll(
      "import.meta.url",
      startsWorkers(code) ? placeOf(writtenName(id)) : JSON.stringify(pathToFileURL(id).href),
    )
    .replaceAll("import.meta.dirname", JSON.stringify(dirname(id)));
}

/** Writes the places that {@link keepPlaces} left open, as seen from a written file. */
function placeWorkers(code: string, { fileName }: { readonly fileName: string }): string | undefined {
  if (!code.includes('"written:')) return undefined;
  const up = "../".repeat(fileName.split("/").length - 1) || "./";
  return code.replaceAll(
    /"written:([^"]+)"/g,
    (_, module: string) => `new URL("${up}${module}", import.meta.url).href`,
  );
}
