/**
 * Checks that everything agrees on a version, and writes what a release needs into packed/:
 * notes.md (the version's part of the changelog), licences.txt and sbom.cdx.json (CycloneDX).
 * `node scripts/release.ts 0.1.0`; with nothing but the version it is read from
 * packages/petalface/package.json.
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { sectionOf } from "./changelog.ts";
import { printLicences, runtimePackages } from "./dependencies.ts";
import type { Lock } from "./lock.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): Promise<string> => readFile(`${root}/${path}`, "utf8");
const [version = ""] = process.argv.slice(2);

const problems: string[] = [];
for (const path of ["package.json", "packages/petalface/package.json", "packages/onnx-grad/package.json"]) {
  const found = (JSON.parse(await read(path)) as { version?: string }).version;
  if (found !== version) problems.push(`${path} has version ${found}, not ${version}`);
}
const notes = sectionOf(await read("CHANGELOG.md"), version);
if (notes === undefined) problems.push(`CHANGELOG.md has no part "## ${version}"`);
const lock = JSON.parse(await read("package-lock.json")) as Lock;
const { text, refused } = printLicences(runtimePackages(lock, ["packages/petalface", "packages/onnx-grad"]));
for (const { name, licence } of refused) problems.push(`${name} has the licence ${licence}`);

for (const problem of problems) console.error(problem);
if (problems.length > 0 || notes === undefined) process.exit(1);

await mkdir(`${root}/packed`, { recursive: true });
await writeFile(`${root}/packed/notes.md`, notes);
await writeFile(`${root}/packed/licences.txt`, `${text}\n`);
const sbom = execFileSync("npm", ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--workspace", "petalface"], {
  cwd: root,
});
await writeFile(`${root}/packed/sbom.cdx.json`, sbom);
console.log(`packed/ holds notes.md, licences.txt and sbom.cdx.json of ${version}`);
