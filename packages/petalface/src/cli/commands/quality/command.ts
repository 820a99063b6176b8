import type { Command } from "commander";
import { claimOutputs } from "../../../api/outputs.ts";
import type { JudgeOptions } from "../../../api/quality/judges.ts";
import { measureQuality } from "../../../api/quality/measure.ts";
import { writeFileSafely } from "../../../files.ts";
import { measureNames } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withEngineOptions, withModelChoices } from "../../model.ts";
import { collect, parseInteger } from "../../options.ts";
import { renderQualityPage } from "./page.ts";
import { qualityDocument, qualityPage, qualityText } from "./print.ts";

interface Flags extends JudgeOptions, DataFlags {
  readonly degraded?: boolean;
  readonly report?: string;
  readonly show: number;
}

async function run(spec: string, flags: Flags, context: CliContext): Promise<void> {
  const { report, show } = flags;
  await using _outputs = await claimOutputs([report], context, { inputs: [spec, flags.model] });
  const request = { ...flags, ...leftOutOptions(flags), data: spec, examples: report !== undefined };
  const found = await measureQuality(request, context);
  if (report !== undefined) await writeFileSafely(report, renderQualityPage(qualityPage(found)));
  context.result(qualityDocument(found, context.json), qualityText(found, show, report));
}

/** `petalface quality`: how good is each face, and what does an adapter make of that? */
export function qualityCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("quality"))
    .description(
      "measure the quality of faces: scores, histogram, alpha with an adapter; compare measures, also on known degradations",
    )
    .argument("<data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .option(
      "--metric <name>",
      `quality measure, may be repeated: ${measureNames.join(", ")}, weights as in brisque:model=FILE,range=FILE; the adapter's, else sharpness`,
      collect,
    )
    .option("--model <file|name>", "the face recogniser, for measures that use it")
    .option("--adapter <run>", "a run or adapter folder, whose calibration gives alpha")
    .option("--degraded", "also try the measures on degraded faces: low resolution, blur, noise, JPEG")
    .option("--report <file>", "write histograms and tables as one HTML page")
    .option("--show <n>", "faces to list, lowest score first", parseInteger("--show", 0, 100_000_000), 20)
    .action((spec: string, flags: Flags) => run(spec, flags, context));
  withDataOptions(withEngineOptions(command));
  withExamples(
    command,
    "quality faces",
    "quality faces --metric resolution --metric sharpness --degraded --report quality.html",
    "quality faces --metric norm --model fr_feature",
    "quality faces --model fr_feature --adapter runs/first",
  );
}
