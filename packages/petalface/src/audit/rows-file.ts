import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFailure } from "../files.ts";

/** Rows of float32 numbers in a file of their own, which is gone when it is closed. */
export interface RowsFile extends Disposable {
  readonly width: number;
  append(rows: Float32Array): void;
  /** Reads rows `start` to `start + count`. */
  read(start: number, count: number): Float32Array;
}

/** Opens an empty {@link RowsFile} in the system's folder for temporary files: embeddings of a large set do not fit into memory. */
export function openRowsFile(width: number): RowsFile {
  const folder = mkdtempSync(join(tmpdir(), "petalface-rows-"));
  const path = join(folder, "rows");
  const handle = openSync(path, "w+");
  let end = 0;
  return {
    width,
    append(rows) {
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      try {
        for (let done = 0; done < bytes.length; )
          done += writeSync(handle, bytes, done, bytes.length - done, end + done);
      } catch (cause) {
        throw writeFailure(path, cause);
      }
      end += bytes.length;
    },
    read(start, count) {
      const rows = new Float32Array(count * width);
      const bytes = new Uint8Array(rows.buffer);
      for (let done = 0; done < bytes.length; ) {
        const more = readSync(handle, bytes, done, bytes.length - done, 4 * start * width + done);
        if (more === 0) throw new Error(`rows ${start} to ${start + count} were never written`);
        done += more;
      }
      return rows;
    },
    [Symbol.dispose]() {
      closeSync(handle);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
