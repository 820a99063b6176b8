import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeModel } from "onnx-grad";
import { measureOf, plainModel, qualityGraph } from "petalface/quality";
import { judgedMeasures, judgedSide } from "./try/judge.ts";

/**
 * Writes petalface's own quality measures as small ONNX files, which the page "Try a resolution"
 * runs: from pixels 0..255 `[N, 3, side, side]` to scores `[N]`.
 */
export async function writeQuality(): Promise<void> {
  const folder = fileURLToPath(new URL("generated/", import.meta.url));
  await mkdir(folder, { recursive: true });
  for (const name of judgedMeasures) {
    const { graph } = qualityGraph(plainModel(judgedSide), measureOf(name));
    await writeModel(graph, `${folder}${name}.onnx`);
  }
}
