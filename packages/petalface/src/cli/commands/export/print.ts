import { join } from "node:path";
import { printLoss } from "../../../api/export/precision-loss.ts";
import type { WrittenAdapter, WrittenLevels, WrittenProduct } from "../../../api/export/write.ts";
import { printThresholds } from "../../../deploy/index.ts";
import type { CliContext } from "../../context.ts";

/** What an export of one model wrote. */
export function printProduct({ file, losses, leftOut, lines }: WrittenProduct, context: CliContext): void {
  const { written, precision, quality } = file;
  context.result(
    { ...file, loss: losses.length > 1 ? losses : file.loss, ...(leftOut && { leftOut }), written },
    [
      ...lines,
      ...(quality !== undefined
        ? [`a second input, ${quality} [N], takes the quality of each face, in the unit of the training set`]
        : []),
      ...losses.map((each) => `${precision} ${printLoss(each)}`),
    ].join("\n"),
  );
}

/** What an export in a folder of levels wrote. */
export function printLevels(
  { folder, written, precision, losses, thresholds, leftOut }: WrittenLevels,
  context: CliContext,
): void {
  context.result(
    { folder, ...written, precision, losses, thresholds: thresholds ?? null, ...(leftOut && { leftOut }) },
    [
      `${folder}: quality.onnx and ${written.levels.length} networks; send each face to the one whose alpha is nearest`,
      ...(thresholds ? printThresholds(thresholds) : []),
      ...losses.map((loss, level) => `level ${level}, ${precision} ${printLoss(loss)}`),
    ].join("\n"),
  );
}

/** What an export of the adapter alone wrote. */
export function printAdapter(written: WrittenAdapter, context: CliContext): void {
  if (written.as === "reference") {
    const { file, as, layers } = written;
    context.result({ file, as, layers }, `${file}: ${layers} layers' trainable_lora_* tensors`);
    return;
  }
  const { folder, as, adapters } = written;
  const lines = adapters.map(
    ({ folder: each, weight, layers }) => `${join(folder, each)}: ${layers} layers, to be weighted by ${weight}`,
  );
  context.result({ folder, as, adapters }, lines.join("\n"));
}
