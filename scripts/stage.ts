import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";

interface Manifest {
  readonly name: string;
  readonly files: readonly string[];
  readonly publishConfig?: Readonly<Record<string, unknown>>;
  readonly devDependencies?: unknown;
}

/**
 * Copies one built package into `to` as npm should publish it. In the repository its manifest
 * points at the sources; `publishConfig` says what it points at when published, and npm, unlike
 * other package managers, does not apply that by itself.
 */
export async function stagePackage(root: string, folder: string, to: string): Promise<void> {
  const from = join(root, "packages", folder);
  const text = await readFile(join(from, "package.json"), "utf8");
  const { publishConfig = {}, devDependencies: _, ...manifest } = JSON.parse(text) as Manifest;
  await mkdir(to, { recursive: true });
  await writeFile(join(to, "package.json"), `${JSON.stringify({ ...manifest, ...publishConfig }, undefined, 2)}\n`);
  for (const name of manifest.files.filter((each) => existsSync(join(from, each))))
    await cp(join(from, name), join(to, name), { recursive: true });
  await cp(join(root, "LICENSE"), join(to, "LICENSE"));
}

/**
 * Folder of onnxruntime's libraries in its package; below it one for each platform and processor.
 */
const libraries = join("bin", "napi-v6");

/**
 * Copies the installed onnxruntime-node into `to`, without its install script and otherwise
 * unchanged. That script fetches CUDA libraries from NuGet, and `npm install` fails where NuGet
 * cannot be reached. npm uses this package for ours if its tarball is installed together with them.
 *
 * @param only platform and processor, such as `linux/x64`, whose libraries are copied; all unless
 * given
 * @returns the version
 */
export async function stageEngine(root: string, to: string, only?: string): Promise<string> {
  const from = join(root, "node_modules", "onnxruntime-node");
  const wanted = only?.split("/") ?? [];
  const isWanted = (path: string): boolean => {
    const inside = relative(join(from, libraries), path);
    if (inside === "" || inside.startsWith("..")) return true;
    return inside.split(sep).every((name, at) => at >= wanted.length || name === wanted[at]);
  };
  await cp(from, to, { recursive: true, filter: isWanted });
  const text = await readFile(join(from, "package.json"), "utf8");
  const {
    scripts: _,
    devDependencies: __,
    ...manifest
  } = JSON.parse(text) as Manifest & {
    readonly version: string;
    readonly scripts?: unknown;
  };
  await writeFile(join(to, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return manifest.version;
}
