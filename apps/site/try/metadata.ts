/**
 * Field of a ModelProto that holds the metadata, and those of an entry (onnx/onnx.proto, ModelProto
 * and StringStringEntryProto).
 */
const fields = { metadata: 14, key: 1, value: 2 };

/** The parts of a protobuf message that have a length, by their field; numbers are passed over. */
function* lengthDelimited(bytes: Uint8Array): Generator<{ readonly field: number; readonly part: Uint8Array }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new Error("the file is cut off, or is no ONNX model");
  };
  while (at < bytes.length) {
    const tag = varint();
    const form = tag & 7;
    if (form === 0) varint();
    else if (form === 1) at += 8;
    else if (form === 5) at += 4;
    else if (form === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error("the file is cut off, or is no ONNX model");
      yield { field: Math.floor(tag / 8), part: bytes.subarray(at, at + length) };
      at += length;
    } else throw new Error("the file is no ONNX model");
  }
}

/**
 * The metadata of an ONNX file, which onnxruntime-web does not show.
 *
 * @throws Error where the bytes are no ONNX model
 */
export function metadataOf(model: Uint8Array): Map<string, string> {
  const text = new TextDecoder();
  const found = new Map<string, string>();
  for (const { field, part } of lengthDelimited(model)) {
    if (field !== fields.metadata) continue;
    const entry = new Map([...lengthDelimited(part)].map((each) => [each.field, text.decode(each.part)]));
    found.set(entry.get(fields.key) ?? "", entry.get(fields.value) ?? "");
  }
  return found;
}
