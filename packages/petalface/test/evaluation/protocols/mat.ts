/** A MATLAB v5 file, uncompressed, with one cell array of texts: `columns` of equal length. */
export function writeCells(name: string, columns: readonly (readonly string[])[]): Uint8Array {
  const rows = columns[0]?.length ?? 0;
  const cells = columns.flat().map((text) => matrix(4, [1, text.length], "", element(4, Buffer.from(text, "utf16le"))));
  const header = Buffer.alloc(128, " ");
  header.write("MATLAB 5.0 MAT-file");
  header.writeUInt16LE(0x0100, 124);
  header.write("IM", 126);
  return Buffer.concat([header, matrix(1, [rows, columns.length], name, Buffer.concat(cells))]);
}

function matrix(kind: number, sides: readonly number[], name: string, content: Uint8Array): Buffer {
  const shape = Buffer.alloc(8);
  sides.forEach((side, at) => {
    shape.writeInt32LE(side, 4 * at);
  });
  const flags = Buffer.from([kind, 0, 0, 0, 0, 0, 0, 0]);
  return element(14, Buffer.concat([element(6, flags), element(5, shape), element(1, Buffer.from(name)), content]));
}

function element(type: number, bytes: Uint8Array): Buffer {
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(type, 0);
  tag.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([tag, bytes, new Uint8Array((8 - (bytes.length % 8)) % 8)]);
}
