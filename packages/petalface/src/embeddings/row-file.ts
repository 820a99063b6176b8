import { type FileHandle, open } from "node:fs/promises";
import { PetalfaceError, readCode } from "../errors.ts";
import { locateSafetensorsHeader, parseSafetensorsHeader } from "../tensors/index.ts";

/** A file of embeddings whose rows are read by their position. */
export interface EmbeddingFile {
  readonly count: number;
  /** Length of one row. */
  readonly width: number;
  /** Rows `start` to `start + count`, row-major. */
  read(start: number, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** No head of ours or NumPy's is longer. */
const longestHead = 65536;

/**
 * Opens embeddings, without reading them: a `.npy` file of float32 `[rows, width]` (NumPy format 1
 * to 3, C order, little-endian), or the tensor `embeddings` of a safetensors file.
 *
 * @throws PetalfaceError if the file is neither, or shorter than it says
 */
export async function openEmbeddingFile(path: string): Promise<EmbeddingFile> {
  const file = await open(path).catch((error: Error) => {
    throw new PetalfaceError(
      readCode(error, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `${path}: cannot be read (${error.message})`,
      { cause: error },
    );
  });
  try {
    const { size } = await file.stat();
    const start = new Uint8Array(Math.min(size, 10));
    await file.read(start, 0, start.length, 0);
    const isNpy = Buffer.from(start.subarray(0, 6)).equals(Buffer.from("\x93NUMPY", "latin1"));
    const { offset, count, width } = isNpy
      ? await npyLayout(file, path, size)
      : await safetensorsLayout(file, path, size);
    return {
      count,
      width,
      async read(first, rows) {
        const out = new Float32Array(rows * width);
        const bytes = new Uint8Array(out.buffer);
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + first * width * 4 + done);
          if (bytesRead === 0)
            throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: ended while it was read; somebody shortened it`);
          done += bytesRead;
        }
        return out;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface Layout {
  readonly offset: number;
  readonly count: number;
  readonly width: number;
}

async function npyLayout(file: FileHandle, path: string, size: number): Promise<Layout> {
  const head = Buffer.alloc(Math.min(size, longestHead));
  await file.read(head, 0, head.length, 0);
  const wide = head[6] !== 1;
  const length = head.length < 12 ? Number.NaN : wide ? head.readUInt32LE(8) : head.readUInt16LE(8);
  const offset = (wide ? 12 : 10) + length;
  const text = head.toString("latin1", wide ? 12 : 10, offset);
  const [, rows = "", columns = ""] = /'shape':\s*\((\d{1,12}),\s*(\d{1,9}),?\s*\)/.exec(text) ?? [];
  if (
    !(offset <= head.length) ||
    !/'descr':\s*'<f4'/.test(text) ||
    !/'fortran_order':\s*False/.test(text) ||
    rows === ""
  )
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${path}: is not a NumPy file of float32 rows; expected '<f4', C order, two dimensions`,
    );
  const [count, width] = [Number(rows), Number(columns)];
  if (width < 1 || size !== offset + count * width * 4)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${path}: promises ${count} rows of ${width} numbers and has ${size - offset} bytes of them`,
    );
  return { offset, count, width };
}

async function safetensorsLayout(file: FileHandle, path: string, size: number): Promise<Layout> {
  const first = new Uint8Array(8);
  await file.read(first, 0, 8, 0);
  const { start, length } = locateSafetensorsHeader(first.subarray(0, Math.min(8, size)), size, path);
  const head = new Uint8Array(start - 8);
  await file.read(head, 0, head.length, 8);
  const { entries } = parseSafetensorsHeader(head, length, path);
  const found = entries.find(({ key }) => key === "embeddings");
  const [count, width] = found?.shape ?? [];
  if (found?.dtype !== "F32" || found.shape.length !== 2 || count === undefined || width === undefined || width < 1)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: has no float32 tensor "embeddings" of rows`);
  return { offset: start + found.begin, count, width };
}
