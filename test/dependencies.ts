import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { itemAt } from "onnx-grad";

/** A source file: its path with forward slashes, relative to `packages/`, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Which folders of petalface may import which. A folder may import those of every later row, and
 * never one of its own row; The last row knows nothing of faces.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["cli"],
  ["server"],
  ["cluster"],
  ["api"],
  ["audit", "watch"],
  ["deploy"],
  ["training", "evaluation", "gallery"],
  ["embeddings"],
  ["matching"],
  ["adapters"],
  ["quality"],
  ["backbones"],
  ["faces", "data"],
  ["images", "checkpoints"],
  ["models", "runtime", "tensors"],
];

/** The same for onnx-grad, whose folders import each other's files directly. */
const GRADIENT_LAYERS: readonly (readonly string[])[] = [
  ["lower"],
  ["downgrade"],
  ["upgrade", "precision"],
  ["gradient"],
  ["batch"],
  ["build", "format"],
  ["fold"],
  ["infer"],
  ["graph"],
];

/** Files directly under src/ that anybody may import. */
const SHARED_FILES: ReadonlySet<string> = new Set([
  ...[
    "allocator.ts",
    "cache.ts",
    "disk-names.ts",
    "error-codes.ts",
    "errors.ts",
    "files.ts",
    "installed.ts",
    "json.ts",
    "launched.ts",
    "litter.ts",
    "lock.ts",
    "print-path.ts",
    "random.ts",
    "ranks.ts",
    "remembered.ts",
    "scratch.ts",
  ],
  "placeholder.ts",
  "programs.ts",
  "resources.ts",
  "temporary.ts",
  "versions.ts",
  "webassembly.ts",
  "thread.ts",
  "workers.ts",
]);

/** The part of a folder that also runs in a browser. */
const PORTABLE = "portable.ts";

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)["']([^"'\n]+)["']/g;

/** Every specifier that a source text imports, re-exports, loads on demand or names as a worker. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(IMPORT)].map((match) => itemAt(match, 1));
}

/** Why a folder may not import from another, by the rows of `layers`; undefined where it may. */
function againstLayers(layers: readonly (readonly string[])[], from: string, to: string): string | undefined {
  const rowOf = (folder: string): number => layers.findIndex((row) => row.includes(folder));
  for (const folder of [from, to])
    if (rowOf(folder) < 0) return `folder ${folder} has no place in the layers of test/dependencies.ts`;
  return rowOf(from) < rowOf(to) ? undefined : `${from} must not depend on ${to}`;
}

interface Place {
  readonly package: string;
  /** Folder under src/, or "" for a file directly in it. */
  readonly folder: string;
  readonly file: string;
}

function placeOf(path: string): Place {
  const [name = "", , ...rest] = path.split("/");
  return {
    package: name,
    folder: rest.length > 1 ? itemAt(rest, 0) : "",
    file: rest.slice(1).join("/") || (rest[0] ?? ""),
  };
}

function resolveSpecifier(from: string, specifier: string): string {
  const base = resolve("/packages", from, "..");
  return relative(resolve("/packages"), resolve(base, specifier)).split(sep).join("/");
}

function violation(file: SourceFile, specifier: string): string | undefined {
  const from = placeOf(file.path);
  const say = (why: string): string => `${file.path} imports "${specifier}": ${why}`;
  if (!specifier.startsWith(".")) {
    if (from.package === "onnx-grad" && /^petalface(\/|$)/.test(specifier))
      return say("onnx-grad knows nothing of faces");
    if (specifier.startsWith("onnx-grad/") && specifier !== "onnx-grad/basics")
      return say("only the package's own index is public");
    return undefined;
  }
  const target = resolveSpecifier(file.path, specifier);
  const to = placeOf(target);
  if (to.package !== from.package) return say("another package is imported by its name");
  if (!target.endsWith(".ts") || to.folder === from.folder) return undefined;
  if (from.package === "onnx-grad") {
    const why =
      from.folder === "" || to.folder === "" ? undefined : againstLayers(GRADIENT_LAYERS, from.folder, to.folder);
    return why && say(why);
  }
  if (from.package !== "petalface") return undefined;
  if (to.folder === "") return SHARED_FILES.has(to.file) ? undefined : say(`${to.file} is not a shared helper`);
  if (from.folder === "" && from.file === "portable.ts" && to.file !== PORTABLE)
    return say(`${from.file} may only offer what is in a folder's ${PORTABLE}`);
  // A command, the server or a job of a queue loads the calls that it makes, not all of them: that
  // starts faster.
  const oneCall = ["cli", "server", "cluster"].includes(from.folder) && to.folder === "api";
  if (to.file !== "index.ts" && to.file !== PORTABLE && !oneCall)
    return say(`a folder's public face is its index.ts, and ${PORTABLE} the part of it that needs no Node`);
  if (from.folder === "") return undefined;
  const why = againstLayers(LAYERS, from.folder, to.folder);
  return why && say(why);
}

/**
 * One line for each import that goes against the direction of dependencies, or past a folder's
 * index.
 */
export function findViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => importsOf(file.text).flatMap((specifier) => violation(file, specifier) ?? []));
}

/** Every TypeScript file under `packages/<name>/src`. */
export function readSources(packagesRoot: string): SourceFile[] {
  return readdirSync(packagesRoot).flatMap((name) => {
    const root = join(packagesRoot, name, "src");
    return readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => ({
        path: `${name}/src/${path.split(sep).join("/")}`,
        text: readFileSync(join(root, path), "utf8"),
      }));
  });
}

/**
 * What can be reached from a file by imports that are there when it runs, and which of them would
 * not load in a browser.
 */
export function findUnportable(files: readonly SourceFile[], entry: string): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const seen = new Set<string>();
  const problems: string[] = [];
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const file = byPath.get(path);
    if (file === undefined) {
      problems.push(`${path} does not exist`);
      return;
    }
    for (const specifier of importsOf(withoutTypes(file.text))) {
      if (specifier.startsWith(".")) visit(resolveSpecifier(path, specifier));
      else problems.push(`${path} imports "${specifier}"`);
    }
  };
  visit(entry);
  return problems;
}

/** The text without imports and exports of types alone, which are gone when it runs. */
export const withoutTypes = (text: string): string => text.replace(/^(import|export) type [^;]*;/gm, "");
