import type { Command } from "commander";
import { degradeFaces } from "../../../api/degrade/degrade.ts";
import type { Fit } from "../../../api/degrade/fit.ts";
import { PetalfaceError } from "../../../errors.ts";
import { parseDegradation, printDegradation } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { printCommand, withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";

interface DegradeOptions extends DataFlags {
  readonly to?: string;
  readonly fit?: string;
  readonly seed: number;
  readonly size: number;
  readonly sheet?: string;
}

const fittedNumbers = ({ distance, chance, presets, crops, faces }: Fit) => ({
  distance,
  chance,
  presets,
  crops,
  faces,
});

/** For people: the spec, how well it fits, and what to do with it. */
function fitLines({ distance, chance, presets, crops, faces }: Fit, spec: string): string[] {
  const others = Object.entries(presets).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  return [
    `fitted on ${crops} crops and ${faces} sharp faces:`,
    spec,
    `distance to the crops ${distance.toFixed(2)} (${others.join(", ")}; two halves of the crops ${chance.toFixed(2)})`,
    printCommand(`adapt --model MODEL --train FACES --degrade "13*down=8-24/8*${spec}" --out RUN`),
  ];
}

async function run(
  input: string,
  output: string | undefined,
  options: DegradeOptions,
  context: CliContext,
): Promise<void> {
  const { to: wanted, fit: crops, seed, sheet, size } = options;
  if ((wanted === undefined) === (crops === undefined))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --to SPEC, or --fit CROPS to estimate a spec");
  if (output === undefined && sheet === undefined && crops === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "name a new folder for the copies, or a picture with --sheet FILE",
    );
  const how = crops === undefined ? { spec: parseDegradation(wanted ?? "") } : { crops, seed };
  const request = { input, out: output, how, sheet, size, ...leftOutOptions(options) };
  const { spec, faces, leftOut, fit, shown } = await degradeFaces(request, context);
  const to = printDegradation(spec);
  context.result(
    {
      input,
      ...(output !== undefined && { output }),
      degradation: to,
      size,
      faces,
      leftOut,
      ...(sheet !== undefined && { sheet, ...(shown && { shown }) }),
      ...(fit && { fit: fittedNumbers(fit) }),
    },
    [
      ...(fit ? fitLines(fit, to) : []),
      ...(output === undefined ? [] : [`${faces} faces, ${to}, written to ${output}`]),
      ...(sheet === undefined
        ? []
        : shown
          ? [`${shown.length} faces under ${to} drawn in ${sheet}`]
          : [`crops of the camera (left) and simulated ones (right) drawn in ${sheet}`]),
    ].join("\n"),
  );
}

/**
 * `petalface degrade IN OUT --to lr:16`: a copy of a data set as a bad camera would have seen it.
 */
export function degradeCommand(program: Command, context: CliContext): void {
  const command = program
    .command("degrade")
    .description("write a degraded copy of a set of aligned faces, as from a bad camera, as PNG files")
    .argument("<in>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .argument("[out]", "new folder for the copies; optional with --sheet")
    .option(
      "--to <spec>",
      "lr:PIXELS (reduced and enlarged again), or stages with ranges such as down=8-24:any,noise=0-10,jpeg=20-80 (docs/degradation.md)",
    )
    .option("--fit <crops>", "instead of --to: estimate the spec from aligned crops of your camera, without names")
    .option("--seed <n>", "seed of --fit", parseInteger("--seed", 0, 2 ** 31), 0)
    .option("--sheet <file>", "also write one PNG picture of some faces, each with several random draws of the spec")
    .option("--size <pixels>", "side of the faces written", parseInteger("--size", 8, 4096), 112)
    .action((input: string, output: string | undefined, options: DegradeOptions) =>
      run(input, output, options, context),
    );
  withDataOptions(command);
  withExamples(
    command,
    "degrade faces faces-16px --to lr:16",
    "degrade synthetic:people=5,images=2 drawn --to blur=0-2,down=8-24:any,shot=0-20,noise=0-10,jpeg=20-80",
    "degrade faces --to down=12-20,h264=24-38,up=any --sheet sheet.png",
    "degrade faces --fit crops --sheet camera.png",
  );
}
