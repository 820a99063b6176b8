import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import {
  type AlignChoices,
  alignDefaults,
  alignInto,
  describeAlignment,
  openAlignInput,
} from "../../../api/align/align.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  type CropFormat,
  type CropTemplate,
  cropFormats,
  cropTemplates,
  type FaceRule,
  faceRules,
} from "../../../faces/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";

interface Flags {
  readonly out: string;
  readonly size: number;
  readonly all: boolean;
  readonly template: CropTemplate;
  readonly face: FaceRule;
  readonly detector: string;
  readonly landmarks: string;
  readonly threshold?: number;
  readonly format: CropFormat;
  readonly fps: number;
  readonly videos: boolean;
  readonly threads?: number;
}

/** `petalface align IN --out OUT`: from photos to aligned faces and a manifest of them. */
export function alignCommand(program: Command, context: CliContext): void {
  const command = program
    .command("align")
    .description("detect faces in photos and videos and align them to the ArcFace template; no photo is dropped")
    .argument("<in>", "folder (of folders), photo, video, or manifest")
    .requiredOption("--out <folder>", "folder for the crops and manifest.jsonl; an interrupted run continues")
    .option(
      "--size <pixels>",
      "side of the crops, such as 112, 120, 128 or 160",
      parseInteger("--size", 16, 1024),
      alignDefaults.size,
    )
    .addOption(
      new Option(
        "--template <name>",
        "where the face lies in its crop; frigate is for crops that Frigate saved (docs/align.md)",
      )
        .choices(cropTemplates)
        .default("arcface"),
    )
    .option("--all", "every face of a photo, not only the main one", alignDefaults.all)
    .addOption(
      new Option("--face <rule>", "which face of a photo is the main one")
        .choices(faceRules)
        .default(alignDefaults.rule),
    )
    .option(
      "--detector <file|name>",
      "SCRFD, YuNet, RetinaFace or UltraFace as ONNX; its outputs show the kind",
      alignDefaults.detector,
    )
    .option(
      "--landmarks <file|name|own>",
      "network for 68 landmarks that refines the points; own: the detector's points",
      alignDefaults.landmarks,
    )
    .option(
      "--threshold <score>",
      "lowest score of a box that counts as a face; by default the detector's usual one",
      numeric,
    )
    .addOption(new Option("--format <name>", "format of the crops").choices(cropFormats).default(alignDefaults.format))
    .option("--fps <n>", "frames a second to take from videos", numeric, alignDefaults.framesPerSecond)
    .option("--no-videos", "skip videos")
    .option(
      "--threads <n>",
      "photos aligned at the same time; one for each core unless given",
      parseInteger("--threads", 1, 1024),
    )
    .action((input: string, flags: Flags) => run(input, flags, context));
  withExamples(
    command,
    "align photos --out faces",
    "align camera.mp4 --out faces --all --fps 2",
    "align photos --out faces --size 120 --detector scrfd_2.5g_bnkps.onnx",
  );
}

async function run(spec: string, flags: Flags, context: CliContext): Promise<void> {
  const { out, size, all, face: rule, threshold = null, fps: framesPerSecond, ...rest } = flags;
  const { threads = availableParallelism() } = flags;
  if (threshold !== null && !(threshold > 0 && threshold < 1))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--threshold is a number between 0 and 1");
  if (!(framesPerSecond > 0 && framesPerSecond <= 1000))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--fps is a number above 0, at most 1000");
  const choices: AlignChoices = { ...rest, size, all, rule, threshold, framesPerSecond, threads };
  const summary = await alignInto(await openAlignInput(spec, context), out, choices, context);
  if (summary.crops === 0)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `no file of ${spec} could be read: ${summary.unreadable.first.join("; ")}`,
    );
  context.result(
    { input: spec, out, ...summary },
    [...describeAlignment(summary), `manifest: ${summary.manifest}`].join("\n"),
  );
}
