import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface Manifest {
  readonly name: string;
  readonly files: readonly string[];
  readonly publishConfig?: Readonly<Record<string, unknown>>;
  readonly devDependencies?: unknown;
}

/**
 * Copies one built package into `to` as npm should publish it. In the repository its manifest points at the sources;
 * `publishConfig` says what it points at when published, and npm, unlike other package managers, does not apply that by itself.
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
