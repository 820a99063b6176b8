import { unreadable } from "../graph/errors.ts";
import { type PositionedFile, withFile } from "./file.ts";
import { placeholderBytes, placeholderOf } from "./placeholder.ts";

/**
 * Marks of files that people take for ONNX models: where the mark stands, the mark, and what the
 * file is.
 */
const OTHERS: readonly (readonly [at: number, mark: string, what: string])[] = [
  [0, "PK\u0003\u0004", "a ZIP archive (a PyTorch checkpoint?), not an ONNX model; export the network to ONNX"],
  [0, "\u0080\u0002", "a pickle (an old PyTorch checkpoint?), not an ONNX model; export the network to ONNX"],
  [0, "\u0080\u0004", "a pickle (a PyTorch checkpoint?), not an ONNX model; export the network to ONNX"],
  [0, "\u001f\u008b", "compressed with gzip; unpack it first"],
  [0, "<", "a web page or XML, not an ONNX model; download the file itself"],
  [0, "\u0089HDF", "an HDF5 file (Keras?), not an ONNX model; export the network to ONNX"],
  [4, "TFL3", "a TensorFlow Lite model; convert it to ONNX"],
  [4, "ORTM", "in onnxruntime's own format; take the .onnx file that it was made from"],
  [8, '{"', "a safetensors file, not an ONNX model; export the network to ONNX"],
];

/**
 * What a file is that people take for an ONNX model, as the end of a sentence ("a Git LFS pointer,
 * not the model; fetch it with ..."), or undefined where its first bytes may begin one. Throws
 * OnnxGradError if the file cannot be read.
 */
export const otherFormat = (path: string): string | undefined => withFile(path, describeOther);

function describeOther(file: PositionedFile): string | undefined {
  const bytes = file.read(0, Math.min(placeholderBytes, file.size));
  const start = bytes.toString("latin1");
  return placeholderOf(bytes) ?? OTHERS.find(([at, mark]) => start.startsWith(mark, at))?.[2];
}

/**
 * Throws an OnnxGradError that says what a file is, where its first bytes show that it is not an
 * ONNX model.
 */
export function refuseOther(file: PositionedFile): void {
  if (file.size === 0) throw unreadable(`${file.path}: empty; export or download the model again`);
  const what = describeOther(file);
  if (what !== undefined) throw unreadable(`${file.path}: ${what}`);
}
