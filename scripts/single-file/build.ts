import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { inject } from "postject";
import { build } from "tsdown";
import { runtimePlaces } from "../dependencies.ts";
import type { Lock } from "../lock.ts";
import { stagePackage } from "../stage.ts";

const run = promisify(execFile);

/**
 * Marks the place in Node's executable that holds a program
 * (nodejs.org/api/single-executable-applications.html).
 */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Files that no program reads while it runs. */
const unread = /(\.map|\.d\.[cm]?ts|\.md|\.markdown)$/;

/** Native files of other machines, which some packages bring along. */
function isForeign(path: string): boolean {
  const { platform, arch } = process;
  const engine = /^node_modules\/onnxruntime-node\/bin\/napi-v\d+\/(\w+)\/(\w+)\//.exec(path);
  if (engine !== null) return engine[1] !== platform || engine[2] !== arch;
  const koffi = /^node_modules\/koffi\/build\/koffi\/(\w+)\//.exec(path);
  return koffi !== null && koffi[1] !== `${platform}_${arch}`;
}

/** Files of a folder, but for the packages inside of it, which stand in the list themselves. */
async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== "node_modules") found.push(...(await filesIn(path)));
    if (entry.isFile() && !unread.test(entry.name)) found.push(path);
  }
  return found;
}

/**
 * The files to carry, by their path: our built packages, and everything that they need at run time.
 */
async function filesToCarry(root: string, stage: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const add = async (folder: string, place: string): Promise<void> => {
    for (const file of await filesIn(folder)) {
      const path = `${place}/${relative(folder, file).replaceAll("\\", "/")}`;
      if (!isForeign(path)) files.set(path, file);
    }
  };
  for (const name of ["onnx-grad", "petalface"]) {
    await stagePackage(root, name, join(stage, name));
    await add(join(stage, name), `node_modules/${name}`);
  }
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock;
  for (const place of runtimePlaces(lock, ["packages/petalface", "packages/onnx-grad"]).keys()) {
    const folder = join(root, place);
    // Optional packages of other machines are not installed.
    const isThere = await stat(folder).then(
      () => true,
      () => false,
    );
    if (isThere) await add(folder, place.replace(/^packages\//, "node_modules/"));
  }
  return files;
}

async function hashOf(files: ReadonlyMap<string, string>): Promise<string> {
  const hash = createHash("sha256");
  for (const [path, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${path}\0`).update(await readFile(file));
  return hash.digest("hex").slice(0, 32);
}

/**
 * Writes one executable file with Node, petalface and everything that it needs, for the system and
 * processor that this runs on. The packages have to be built before.
 *
 * @returns how many files it carries, and its size in bytes
 */
export async function buildSingleFile(root: string, out: string): Promise<{ files: number; bytes: number }> {
  const work = await mkdtemp(join(tmpdir(), "petalface-single-"));
  try {
    const files = await filesToCarry(root, join(work, "stage"));
    const id = join(work, "build");
    await writeFile(id, await hashOf(files));
    await build({
      entry: join(root, "scripts/single-file/start.ts"),
      outDir: join(work, "start"),
      format: "cjs",
      platform: "node",
      dts: false,
      clean: false,
      config: false,
      logLevel: "error",
    });
    const config = {
      main: join(work, "start", "start.cjs"),
      output: join(work, "blob"),
      disableExperimentalSEAWarning: true,
      assets: { build: id, ...Object.fromEntries([...files].map(([path, file]) => [`app/${path}`, file])) },
    };
    await writeFile(join(work, "config.json"), JSON.stringify(config));
    await run(process.execPath, ["--experimental-sea-config", join(work, "config.json")]);
    await mkdir(join(out, ".."), { recursive: true });
    await copyFile(process.execPath, out);
    await inject(out, "NODE_SEA_BLOB", await readFile(config.output), {
      sentinelFuse: fuse,
      ...(process.platform === "darwin" && { machoSegmentName: "NODE_SEA" }),
    });
    await chmod(out, 0o755);
    return { files: files.size, bytes: (await stat(out)).size };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
