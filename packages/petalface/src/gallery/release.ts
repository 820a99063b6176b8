/**
 * Gives the memory of values back at once; they are empty then. Megabytes of rows that were copied
 * elsewhere would otherwise wait for garbage collection. Values on a part of a buffer, and shared
 * ones, are left alone.
 */
export function release(...values: readonly ArrayBufferView[]): void {
  for (const { buffer, byteLength } of values)
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
