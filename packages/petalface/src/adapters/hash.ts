import { createHash } from "node:crypto";
import type { Adapter } from "./config.ts";

/** Everything of an adapter that changes an embedding: its configuration and all its numbers. */
export function adapterHash({ config, theta, statistics = new Float32Array(0) }: Adapter): string {
  const hash = createHash("sha256").update(JSON.stringify(config));
  for (const { buffer, byteOffset, byteLength } of [theta, statistics])
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex");
}
