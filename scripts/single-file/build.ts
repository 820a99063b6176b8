import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { build } from "tsdown";
import { runtimePlaces } from "../dependencies.ts";
import type { Lock } from "../lock.ts";
import { stagePackage } from "../stage.ts";
import { addNote, replaceText } from "./elf.ts";

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

/** The files in one, and what tells them apart: their paths and lengths, in their order. */
export interface Packed {
  readonly index: readonly (readonly [path: string, bytes: number])[];
  /** A hash of all of it. */
  readonly id: string;
}

/**
 * Writes the files one after the other into `to`. As an asset each, Node would take half a
 * millisecond to find one, which is four seconds for all of them.
 */
async function packInto(to: string, files: ReadonlyMap<string, string>): Promise<Packed> {
  const hash = createHash("sha256");
  const index: [string, number][] = [];
  const packed = await open(to, "w");
  try {
    for (const [path, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const bytes = await readFile(file);
      hash.update(`${path}\0`).update(bytes);
      index.push([path, bytes.length]);
      await packed.writeFile(bytes);
    }
  } finally {
    await packed.close();
  }
  return { index, id: hash.digest("hex").slice(0, 32) };
}

/**
 * Puts a program into Node's executable. For Linux that is a note at its end. Elsewhere postject
 * rewrites the file, which takes ten seconds and 2 GB of memory.
 */
async function putInto(executable: string, program: Buffer): Promise<void> {
  if (process.platform === "linux") {
    await addNote(executable, "NODE_SEA_BLOB", program);
    await replaceText(executable, `${fuse}:0`, `${fuse}:1`);
    return;
  }
  const { inject } = await import("postject");
  await inject(executable, "NODE_SEA_BLOB", program, {
    sentinelFuse: fuse,
    ...(process.platform === "darwin" && { machoSegmentName: "NODE_SEA" }),
  });
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
    const [content, about] = [join(work, "content"), join(work, "about")];
    await writeFile(about, JSON.stringify(await packInto(content, files)));
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
      assets: { about, content },
    };
    await writeFile(join(work, "config.json"), JSON.stringify(config));
    await run(process.execPath, ["--experimental-sea-config", join(work, "config.json")]);
    await mkdir(join(out, ".."), { recursive: true });
    await copyFile(process.execPath, out);
    await putInto(out, await readFile(config.output));
    await chmod(out, 0o755);
    return { files: files.size, bytes: (await stat(out)).size };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
