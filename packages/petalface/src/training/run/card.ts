import type { Adapter } from "../../adapters/index.ts";
import { printCalibration } from "../../quality/index.ts";
import type { RunRecord } from "./record.ts";

/** File name of an adapter's card, that of Hugging Face PEFT. */
export const adapterCardFile = "README.md";

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/**
 * What an adapter is, in Markdown: what was trained on what, how it was measured, and what it is
 * for (after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019). It holds no paths but
 * those that the run was given.
 */
export function adapterCard(record: RunRecord, { config, theta }: Adapter): string {
  const { options, model, data, validation, result, trained, init } = record;
  const best = result?.best;
  const faces = options.degrade !== "lr" ? options.degrade : `shrunk to ${options.lrPixels.join(", ")} px`;
  const lines = [
    `# Adapter for ${model.name}`,
    "",
    "An adapter for low-resolution faces, trained by petalface. It belongs to one model and works with no other.",
    "",
    "## What was trained",
    "",
    `- Model: ${model.name}, SHA-256 ${model.sha256}. Its weights are unchanged.`,
    `- Trained: ${theta.length.toLocaleString("en")} numbers, ${percent(trained.share)} of the model; method ${config.method}, gate ${config.gate}, rank ${config.rank}, ${config.sites.length} layers.`,
    ...(init === undefined ? [] : [`- Started from the adapter ${init.sha256}.`]),
    `- Faces: ${data.images.toLocaleString("en")} images of ${data.people.toLocaleString("en")} people (fingerprint ${data.fingerprint}).`,
    `- Degraded: ${faces}; ${percent(options.sharpShare)} stayed as they are.`,
    `- Steps: ${record.steps.toLocaleString("en")} of ${options.batch} images, loss ${options.loss}, seed ${options.seed}.`,
    `- ${printCalibration(config.calibration)}`,
    ...(record.camera && config.centre
      ? [
          `- Centred on ${record.camera.crops.toLocaleString("en")} crops of a camera (fingerprint ${record.camera.fingerprint}).`,
        ]
      : []),
    "",
    "## How it was measured",
    "",
    validation === undefined || best === undefined
      ? "It was not measured during training. Measure it on people that training did not see: `petalface evaluate`."
      : `Validation (${validation.measure}): ${(100 * best.value).toFixed(2)} ± ${(100 * 1.96 * best.standardError).toFixed(2)} % (95 % interval) at step ${best.step}. The adapter was chosen by this number, so it is slightly too good. Measure it on other people: \`petalface evaluate\`.`,
    "",
    "## What it is for",
    "",
    "- Recognising faces of few pixels among people that were enrolled with sharp photos.",
    "- Faces whose alpha is 1 keep their embedding where the gate is `low` or `hat`.",
    "- It does not restore images, and it does not detect printed photos or masks.",
    "- Accuracy may differ by sex, age or skin colour. It was not measured by group here.",
    "- Embeddings are biometric data: you need a legal basis to use it on people.",
    "",
    `Written by petalface ${record.versions.petalface}.`,
  ];
  return `${lines.join("\n")}\n`;
}
