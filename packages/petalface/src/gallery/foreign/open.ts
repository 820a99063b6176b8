import { open } from "node:fs/promises";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { openCompreFace } from "./compreface.ts";
import { openInsightFace } from "./insightface.ts";
import type { ForeignFaces } from "./types.ts";

/** Bytes that say what a file is. */
const headBytes = 4096;

/**
 * Opens the enrolled faces of another product: a dump of CompreFace's database, or the database of
 * InsightFace Server. The content decides which.
 *
 * @returns undefined where the file is of neither
 * @throws PetalfaceError where it cannot be read, or holds no faces
 */
export async function openForeign(file: string): Promise<ForeignFaces | undefined> {
  const head = await readHead(file);
  if (head.startsWith("SQLite format 3\0")) return await openInsightFace(file);
  if (head.startsWith("PGDMP"))
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${printPath(file)} is a dump in pg_dump's own format; make it text with pg_restore -f dump.sql, or dump again with pg_dump -F p`,
    );
  // pg_dump of newer versions writes \restrict before or after its title.
  return /^(--|SET |\\restrict|\s)[\s\S]*PostgreSQL database dump/.test(head) ? await openCompreFace(file) : undefined;
}

async function readHead(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `cannot read ${printPath(file)} (${cause.message})`, { cause });
  }
}
