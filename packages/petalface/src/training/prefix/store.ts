import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { writeFailure } from "../../files.ts";

/** Records of one length in a file, by number. */
export interface RecordStore {
  /** Records that fit. */
  readonly capacity: number;
  write(record: number, values: Float32Array): void;
  /** Reads a part of a record. */
  read(record: number, offset: number, out: Float32Array): void;
  close(): void;
}

/**
 * Opens an empty store in `folder`/prefix, in place of what a killed process left there; the file grows as records come and is gone when the store is
 * closed. The system keeps in memory what fits there.
 *
 * @param length numbers of a record
 * @param bytes most that the file may take
 */
export function openRecords(folder: string, length: number, bytes: number): RecordStore {
  const own = join(folder, "prefix");
  const path = join(own, "values");
  const handle = openEmpty(own, path);
  return {
    capacity: Math.floor(bytes / (4 * length)),
    write(record, values) {
      const data = new Uint8Array(values.buffer, values.byteOffset, 4 * length);
      try {
        for (let done = 0; done < data.length; )
          done += writeSync(handle, data, done, data.length - done, 4 * length * record + done);
      } catch (cause) {
        throw writeFailure(path, cause);
      }
    },
    read(record, offset, out) {
      const data = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
      for (let done = 0; done < data.length; ) {
        const more = readSync(handle, data, done, data.length - done, 4 * (length * record + offset) + done);
        if (more === 0) throw new Error(`record ${record} was never written`);
        done += more;
      }
    },
    close() {
      closeSync(handle);
      rmSync(own, { recursive: true, force: true });
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
