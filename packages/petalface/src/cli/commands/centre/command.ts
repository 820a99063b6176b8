import type { Command } from "commander";
import { adapterFiles, loadAdapter, saveAdapter } from "../../../adapters/index.ts";
import { leftOutOf, noteMoreLeftOut } from "../../../api/data.ts";
import { choicesOf } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { openBackbone } from "../../../backbones/index.ts";
import { tallyOf } from "../../../data/index.ts";
import { centreAdapter } from "../../../embeddings/index.ts";
import type { ModelChoices } from "../../../models/index.ts";
import { printArgument } from "../../../print-path.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { printCommand, withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { numeric } from "../../numbers.ts";

interface Flags extends ModelChoices, DataFlags {
  readonly model: string;
  readonly adapter: string;
  readonly camera: string;
  readonly out: string;
  readonly threads?: number;
}

/** `petalface centre`: an adapter centred on unlabelled crops of the user's camera. */
export function centreCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("centre"))
    .description("centre an adapter on unlabelled crops of a camera; sharp faces keep their embeddings")
    .requiredOption("--model <file|name>", "the face recogniser that the adapter belongs to")
    .requiredOption("--adapter <run>", "a run or adapter folder")
    .requiredOption("--camera <crops>", "aligned faces of the camera, of many people, who need no names")
    .requiredOption("--out <folder>", "folder for the centred adapter")
    .option("--threads <n>", "threads of the engine (default: all cores)", numeric)
    .action((flags: Flags) => run(flags, context));
  withDataOptions(command);
  withExamples(command, "centre --model fr_feature --adapter runs/first --camera crops --out adapters/door");
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const { model, adapter: folder, camera, out, threads } = flags;
  await using _outputs = await claimOutputs(adapterFiles(out), context, { inputs: [model] });
  const backbone = await openBackbone(model, choicesOf(flags));
  const adapter = await loadAdapter(folder, backbone);
  const data = await openFaces(camera, flags, context);
  const tally = tallyOf(data);
  const progress = context.progress("embedding", data.length, "crops");
  let seen = 0;
  try {
    const found = await centreAdapter(backbone, adapter, data, {
      session: threads === undefined ? {} : { threads },
      signal: context.signal,
      onLeft: (_, { kind, message }) => tally.bad(message, kind),
      onProgress(crops) {
        tally.tried(crops - seen);
        seen = crops;
        progress.update(crops);
      },
    });
    await saveAdapter(out, backbone, found.adapter);
    noteMoreLeftOut(data, tally.report(), context);
    const { crops, low, shift } = found;
    const next = `evaluate --model ${printArgument(model)} --adapter ${printArgument(out)} --protocol PAIRS --data FACES`;
    context.result(
      { out, adapter: folder, camera, crops, low, shift, leftOut: leftOutOf(data, tally.report()) },
      [
        `${out}: the adapter of ${folder}, centred on ${low} low-resolution crops of ${crops}`,
        `their mean embedding had ${(100 * shift).toFixed(0)} % of the length of one embedding`,
        `faces with alpha 1 keep their embeddings; measure the rest:\n${printCommand(next)}`,
      ].join("\n"),
    );
  } finally {
    progress.close();
  }
}
