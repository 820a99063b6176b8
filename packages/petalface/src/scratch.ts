import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { writeFailure } from "./files.ts";

/** Float32 records of one length in a file, by number. */
export interface Scratch {
  /** Writes one record or several that follow each other. */
  write(record: number, values: Float32Array): void;
  /** Fills `out` from a place within a record on, over its end if `out` is long. */
  read(record: number, offset: number, out: Float32Array): void;
  /** Closes and deletes the file and its folder. */
  close(): void;
}

/**
 * Opens an empty file for numbers that need not outlive the process and may be more than memory
 * holds. The file grows as records come; the system keeps in memory what fits there.
 *
 * @param folder of its own; emptied first of what a killed process left
 * @param length numbers of a record
 */
export function openScratch(folder: string, length: number): Scratch {
  const path = join(folder, "values");
  const handle = openEmpty(folder, path);
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
  return {
    write(record, values) {
      const bytes = bytesOf(values);
      const start = 4 * length * record;
      try {
        for (let done = 0; done < bytes.length; )
          done += writeSync(handle, bytes, done, bytes.length - done, start + done);
      } catch (cause) {
        throw writeFailure(path, cause);
      }
    },
    read(record, offset, out) {
      const bytes = bytesOf(out);
      const start = 4 * (length * record + offset);
      for (let done = 0; done < bytes.length; ) {
        const more = readSync(handle, bytes, done, bytes.length - done, start + done);
        if (more === 0) throw new Error(`record ${record} was never written`);
        done += more;
      }
    },
    close() {
      closeSync(handle);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openEmpty(folder: string, path: string): number {
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    return openSync(path, "w+");
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}
