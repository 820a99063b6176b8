import type { BigIntStats } from "node:fs";
import { access, appendFile, constants, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { lastOf } from "onnx-grad";
import { messageOf, PetalfaceError, systemCode } from "../errors.ts";
import { removeUnfinished, writeFailure, writeFileSafely } from "../files.ts";
import { printPath } from "../images/index.ts";
import { hashFile } from "../models/index.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * Hashes of the files that petalface wrote into a folder, as `sha256sum` prints them;
 * `sha256sum -c` checks them.
 */
export const recordName = ".petalface.sha256";
/** A longer record is written again without the lines that newer ones replace. */
const longestRecord = 2 ** 16;

/** What a command does with its outputs. */
export interface OutputOptions {
  /**
   * Paths and specs that the command reads: never replaced, whatever is asked for. Those that are
   * not files do not matter.
   */
  readonly inputs?: Iterable<string | undefined>;
}

/**
 * Takes the files that a command is going to write, before it starts. A file that is there already
 * is replaced only if petalface wrote it and it was not changed since, or with `--force`. The
 * folder's record ({@link recordName}) says which files those are. Dispose of the result when the
 * command ends: what it wrote by then goes into the record, also after a failure.
 *
 * @param paths the files; undefined ones are left out
 * @throws PetalfaceError where a file is somebody else's, is read by this command too, or cannot be
 * written
 */
export async function claimOutputs(
  paths: readonly (string | undefined)[],
  context: Pick<Surroundings, "force" | "note">,
  { inputs = [] }: OutputOptions = {},
): Promise<AsyncDisposable> {
  const outputs = paths.filter((path) => path !== undefined);
  const read = new Set(await Promise.all([...inputs].filter((path) => path !== undefined).map(placeOf)));
  const before = new Map<string, BigIntStats | undefined>();
  for (const path of outputs) {
    const place = await placeOf(path);
    if (before.has(place))
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${printPath(path)} would be written twice; give each output a name of its own`,
      );
    const entry = await stateOf(path);
    if (entry !== undefined && read.has(place))
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${printPath(path)} is what this command reads; give its output another name`,
      );
    await requireWritable(path, entry);
    if (entry !== undefined && !context.force && !(await isOurs(path)))
      throw new PetalfaceError(
        "PETAL_OUTPUT_EXISTS",
        `${printPath(path)} is there already, and petalface did not write it or it was changed since; give another name, or 'force' to replace it`,
      );
    before.set(place, entry);
  }
  for (const folder of new Set(outputs.map((path) => dirname(path)))) await removeUnfinished(folder);
  return {
    async [Symbol.asyncDispose]() {
      for (const path of outputs)
        try {
          const entry = await stateOf(path);
          if (entry !== undefined && !isSame(entry, before.get(await placeOf(path)))) await addToRecord(path);
        } catch (error) {
          const reason = messageOf(error);
          context.note(`note: the next run will not know that it may replace ${printPath(path)} (${reason})`);
        }
    },
  };
}

/** Where a path leads, links followed. */
const placeOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

async function stateOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw writeFailure(printPath(path), error);
  }
}

/** Every write of ours is a new file under the old name. */
const isSame = (one: BigIntStats, other: BigIntStats | undefined): boolean =>
  one.ino === other?.ino && one.mtimeNs === other.mtimeNs && one.size === other.size;

async function requireWritable(path: string, entry: BigIntStats | undefined): Promise<void> {
  if (entry?.isDirectory())
    throw new PetalfaceError("PETAL_OPTION_INVALID", `${printPath(path)} is a folder; name a file in it`);
  if (entry !== undefined && !entry.isFile())
    throw new PetalfaceError("PETAL_OPTION_INVALID", `${printPath(path)} is not a regular file; name another`);
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder))
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error("no folder"), { code: "ENOTDIR" });
      return;
    } catch (error) {
      // A missing folder is made later; the nearest one above must then be writable.
      if (systemCode(error) !== "ENOENT" || folder === dirname(folder)) throw writeFailure(printPath(path), error);
    }
}

async function isOurs(path: string): Promise<boolean> {
  const hashes = (await readRecord(dirname(path))).get(basename(path)) ?? [];
  return hashes.length > 0 && hashes.includes(await hashFile(path));
}

/** Of each file name the hashes that it had, newest last. */
async function readRecord(folder: string): Promise<Map<string, string[]>> {
  const text = await readFile(join(folder, recordName), "utf8").catch(() => "");
  const record = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, escaped, hash, name] = /^(\\?)([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (hash === undefined || name === undefined) continue;
    const plain = escaped === "" ? name : name.replaceAll(/\\([\\nr])/g, (_, sign) => unescaped[sign] ?? sign);
    record.set(plain, [...(record.get(plain) ?? []), hash]);
  }
  return record;
}

const unescaped: Readonly<Record<string, string>> = { n: "\n", r: "\r" };
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };

/**
 * A line as GNU sha256sum writes it: a name with a backslash or line break is escaped, and the line
 * begins with a backslash.
 */
function lineOf(name: string, hash: string): string {
  const escaped = name.replaceAll(/[\\\n\r]/g, (sign) => escapes[sign] ?? sign);
  return `${escaped === name ? "" : "\\"}${hash}  ${escaped}\n`;
}

/**
 * Adds a file as it is now. Lines are appended whole, so that two commands may write into one
 * folder.
 */
async function addToRecord(path: string): Promise<void> {
  const place = join(dirname(path), recordName);
  await appendFile(place, lineOf(basename(path), await hashFile(path)));
  if ((await stat(place)).size <= longestRecord) return;
  const record = await readRecord(dirname(path));
  await writeFileSafely(place, [...record].map(([name, hashes]) => lineOf(name, lastOf(hashes))).join(""));
}
