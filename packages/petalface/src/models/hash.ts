import { createHash } from "node:crypto";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { externalFiles } from "onnx-grad";
import { writeFileSafely } from "../files.ts";

const pieceBytes = 2 ** 21;

/** SHA-256 of a file in hex, streamed. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    // Two buffers take turns: one is read while the other is hashed. New ones for every piece, as
    // streams have, would take twice the time.
    let [reading, hashing] = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)];
    let read = file.read(reading, 0, pieceBytes, null);
    for (;;) {
      const { bytesRead } = await read;
      if (bytesRead === 0) return hash.digest("hex");
      [reading, hashing] = [hashing, reading];
      read = file.read(reading, 0, pieceBytes, null);
      hash.update(hashing.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Files below this size are hashed faster than a remembered hash is worth. */
const worthRemembering = 32 * 2 ** 20;
/** A file that was changed so shortly ago could change again within one tick of its clock. */
const settledMs = 5000;

/** Everything by which a file system shows that a file was replaced or written to. */
async function stampOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/**
 * SHA-256 of a file in hex. That of a large file is remembered in `folder`, so that weights of
 * gigabytes are not read again by every command. It counts as long as the file has the same size,
 * inode, time of writing and time of change to the nanosecond. The time of change cannot be set by
 * a program, so a file that was swapped is hashed again. A folder that cannot be written remembers
 * nothing.
 *
 * @param path of the file
 * @param folder where hashes are remembered; made where it is missing
 * @param now the time, in ms: what was changed in the last seconds is not remembered
 * @throws the operating system's error if the file cannot be read
 */
export async function rememberedHash(path: string, folder: string, now = Date.now()): Promise<string> {
  const { size, mtimeMs, ctimeMs } = await stat(path);
  if (size < worthRemembering) return hashFile(path);
  const stamp = await stampOf(path);
  const name = createHash("sha256")
    .update(await realpath(path))
    .digest("hex")
    .slice(0, 32);
  const file = join(folder, name);
  const [known, sha256 = ""] = (await readFile(file, "utf8").catch(() => "")).split("\n");
  if (known === stamp && /^[0-9a-f]{64}$/.test(sha256)) return sha256;
  const found = await hashFile(path);
  const settled = now - Math.max(mtimeMs, ctimeMs) > settledMs && (await stampOf(path)) === stamp;
  if (settled) await writeFileSafely(file, `${stamp}\n${found}\n`).catch(() => {});
  return found;
}

/** Entry of a model's `metadata_props`: the SHA-256 of the file that holds its weights. */
export const weightsKey = "petalface.weights";

/** Which model a file is. */
export interface ModelIdentity {
  /**
   * SHA-256 of everything that the network is made of, hex: of the file where it holds its own
   * weights.
   */
  readonly sha256: string;
  /** SHA-256 of the `.onnx` file alone, where weights lie in other files. */
  readonly fileSha256?: string;
}

/**
 * Which model a file is, by all bytes that it refers to. A model that holds its own weights is
 * known by the SHA-256 of its file. Of one whose weights are in a second file (PyTorch's exporter
 * writes `model.onnx.data`) the `.onnx` file alone is not enough: it is the same for every epoch.
 * Such a model is known by the SHA-256 of a list of all its files' names and hashes; unless it
 * states the right hash of its weights itself, as those of `petalface import` do, for then the
 * SHA-256 of the `.onnx` file says everything.
 *
 * @param path of the `.onnx` file
 * @param folder where hashes of large files are remembered
 * @param metadata the model's `metadata_props`
 * @throws OnnxGradError if the file is not an ONNX model or one of its files is missing
 */
export async function identifyModel(
  path: string,
  folder: string,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<ModelIdentity> {
  const fileSha256 = await rememberedHash(path, folder);
  const others = externalFiles(path);
  if (others.length === 0) return { sha256: fileSha256 };
  const hashes: string[] = [];
  for (const { file } of others) hashes.push(await rememberedHash(file, folder));
  if (hashes.length === 1 && hashes[0] === metadata.get(weightsKey)) return { sha256: fileSha256 };
  const all = createHash("sha256").update(`petalface model\n${fileSha256}\n`);
  others.forEach(({ location }, at) => {
    all.update(`${JSON.stringify(location)} ${hashes[at]}\n`);
  });
  return { sha256: all.digest("hex"), fileSha256 };
}
