import { extname } from "node:path";
import { plainName } from "../../disk-names.ts";
import { PetalfaceError } from "../../errors.ts";
import { safetensorsHead } from "../../tensors/index.ts";

/**
 * What the formats of embedding files have in common: a head of known length, then the rows as
 * float32.
 */
export type EmbeddingFormat = "npy" | "safetensors";

/** The format that a path asks for by its ending. Throws PetalfaceError (wrong usage). */
export function embeddingFormat(path: string): EmbeddingFormat {
  const ending = extname(path).toLowerCase();
  if (ending === ".npy") return "npy";
  if (ending === ".safetensors") return "safetensors";
  throw new PetalfaceError("PETAL_OPTION_INVALID", `'out' ${path} ends in neither .npy nor .safetensors`);
}

/**
 * The head of a NumPy file of float32, version 1.0, so that the data begins at a multiple of 64
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 *
 * @param row dimensions of one row
 * @param length bytes that the head takes, where it replaces one of more rows
 */
export function npyHead(rows: number, row: readonly number[], length?: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[rows, ...row].join(", ")}), }`;
  const prefix = 10;
  const padded = (length ?? Math.ceil((prefix + text.length + 1) / 64) * 64) - prefix;
  const head = Buffer.alloc(prefix + padded, " ");
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(padded, 8);
  head.write(text, prefix, "latin1");
  head[head.length - 1] = 0x0a;
  return head;
}

/**
 * The head of a safetensors file with one tensor `embeddings` `[rows, ...row]` F32 and, with
 * `alpha`, `alpha` `[rows]` behind it.
 *
 * @param length bytes that the head takes, where it replaces one of more rows
 */
export function embeddingsHead(
  rows: number,
  row: readonly number[],
  alpha: boolean,
  metadata: Readonly<Record<string, string>>,
  length?: number,
): Uint8Array {
  const tensor = (shape: readonly number[]) => ({
    dtype: "F32",
    shape,
    length: 4 * shape.reduce((product, side) => product * side, 1),
  });
  const planned = [
    ["embeddings", tensor([rows, ...row])] as const,
    ...(alpha ? [["alpha", tensor([rows])] as const] : []),
  ];
  return safetensorsHead(planned, { metadata, length });
}

/**
 * Bytes of a row of numbers in the little-endian order of both formats; the machines that Node runs
 * on store them so.
 */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** One line of a CSV file (RFC 4180), UTF-8 whatever files are called (see {@link plainName}). */
export function csvLine(values: readonly (string | number)[]): string {
  const cells = values.map((value) => {
    const text = plainName(String(value));
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(",")}\n`;
}
