import { PetalfaceError } from "../../errors.ts";
import { surroundingsOf } from "../surroundings.ts";
import type { ExportedFile, ExportOptions } from "./types.ts";
import { planExport, writeProduct } from "./write.ts";

/**
 * Writes model and adapter as one ONNX file to deploy, image to alpha to embedding, or the files
 * that a product loads (`for`): `petalface export`.
 *
 * @throws PetalfaceError if the precision changes the embeddings too much, or the file cannot be
 * written
 */
export async function exportModel(options: ExportOptions): Promise<ExportedFile> {
  const plan = planExport(options);
  if (plan.kind !== "product")
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'levels' go into one file here: let 'out' end in .onnx, or give 'for'",
    );
  const { file } = await writeProduct(plan, surroundingsOf(options));
  return file;
}
