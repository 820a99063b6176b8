import { type Graph, type WriteOptions, writeModel } from "onnx-grad";
import { writeFailure } from "../files.ts";
import { printPath } from "../print-path.ts";

/**
 * Writes a model as {@link writeModel} does. Throws PetalfaceError where the system refuses it, as
 * on a full disk.
 */
export async function writeModelFile(graph: Graph, path: string, options: WriteOptions = {}): Promise<void> {
  try {
    await writeModel(graph, path, options);
  } catch (error) {
    const cause = error instanceof Error && error.name === "OnnxGradError" ? error.cause : undefined;
    throw cause instanceof Error && "syscall" in cause ? writeFailure(printPath(path), cause) : error;
  }
}
