import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** SHA-256 of a file in hex, streamed. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  // Node's pieces of 64 KiB take half as much time again.
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest("hex");
}
