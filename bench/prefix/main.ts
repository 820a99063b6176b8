/**
 * Adapters on the last stage only, with what the frozen layers below make of the images computed once: how much faster, and how good:
 * `npm run bench -- prefix --help`.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { percent } from "petalface/evaluation";
import type { TrainingChoices } from "petalface/training";
import { choiceFolds } from "../faces/plan.ts";
import { type Job, type JobResult, runJob } from "../faces/run.ts";
import { type Group, renderDifferences } from "../faces/table.ts";
import { lastStage, measureSpeed } from "./speed.ts";

const { values } = parseArgs({
  options: {
    faces: { type: "string", default: "1200" },
    images: { type: "string", default: "4800" },
    threads: { type: "string", default: "1" },
    seed: { type: "string", default: "0" },
    work: { type: "string", default: join(import.meta.dirname, "../../runs/bench-prefix") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    speed: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- prefix [--faces N] [--images N] [--threads N] [--seed N] [--work FOLDER] [--out FOLDER] [--speed]
Trains MobileFaceNet on photos of LFW's people outside folds 1 to 6, measures on fold 6: a quarter of an hour of one core. --faces: photos, of 6,800;
--images: training images seen, so that images / faces are the epochs.
--speed: only how fast, on 320 faces and three epochs; two minutes on quiet cores.`);
  process.exit(0);
}

if (values.speed) {
  const page = await measureSpeed(Number(values.threads), values.work);
  console.log(page);
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, "prefix-speed.md"), page);
  process.exit(0);
}

interface Contender {
  readonly name: string;
  readonly options?: TrainingChoices;
  readonly prefixBytes?: number;
}

const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "petal, all its layers", options: {} },
  { name: "last stage", options: { sites: lastStage } },
  { name: "last stage, 1 variant, kept", options: { sites: lastStage, variants: 1 } },
  { name: "last stage, 2 variants, nothing kept", options: { sites: lastStage, variants: 2 }, prefixBytes: 0 },
  { name: "last stage, 2 variants, kept", options: { sites: lastStage, variants: 2 } },
];

/** Differences that are reported: the first minus the second. */
const pairs = [
  ["last stage", "petal, all its layers"],
  ["last stage, 1 variant, kept", "last stage"],
  ["last stage, 2 variants, kept", "last stage"],
  ["last stage, 2 variants, kept", "last stage, 2 variants, nothing kept"],
] as const;

const pixels = [16, 8];
const columns = [
  ["HR", "accuracy/sharp"],
  ...pixels.map((side) => [`LR ${side}`, `accuracy/lr:${side}`] as const),
  ...pixels.map((side) => [`mix ${side}`, `accuracy/mixed:${side}`] as const),
  ["rank-1 16", "rank1/mixed:16"],
] as const;

const [faces, images] = [Number(values.faces), Number(values.images)];
const rows: string[][] = [];
const groups: Group[] = [];
for (const { name, options, prefixBytes } of contenders) {
  const folder = join(values.work, name.replaceAll(/[^a-z0-9]+/g, "-"));
  const started = processorSeconds();
  const steps: number[] = [];
  const job: Job = {
    contender: { name, ...(options && { options: { preset: "petal", ...options } }) },
    model: "mobilefacenet",
    seed: Number(values.seed),
    faces,
    images,
    pixels,
    folds: choiceFolds,
    threads: Number(values.threads),
    folder,
    prefixBytes,
    onStep: () => steps.push(processorSeconds()),
  };
  const done = await runJob(job);
  groups.push({ name, cells: [{ job, done }] });
  await rm(join(folder, "run"), { recursive: true, force: true });
  rows.push(describe(name, done, started, steps));
  console.error(rows.at(-1)?.join("  "));
}

/** Processor time of this process so far, all threads together. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Images a processor second over a part of the steps, given by its ends as shares of all. */
function rate(steps: readonly number[], from: number, to: number): string {
  const [first, last] = [Math.floor(from * (steps.length - 1)), Math.floor(to * (steps.length - 1))];
  const seconds = (steps[last] ?? 0) - (steps[first] ?? 0);
  return steps.length < 2 ? "-" : ((32 * (last - first)) / seconds).toFixed(0);
}

function describe(name: string, { result, trained }: JobResult, started: number, steps: readonly number[]): string[] {
  const seconds = (steps.at(-1) ?? started) - started;
  return [
    name,
    trained === 0 ? "-" : trained.toLocaleString("en"),
    seconds === 0 ? "-" : seconds.toFixed(0),
    rate(steps, 0, 0.15),
    rate(steps, 0.75, 1),
    ...columns.map(([, key]) => {
      const measure = result.measures.find((each) => each.key === key);
      return measure === undefined ? "-" : `${percent(measure.value)} ± ${percent((measure.high - measure.low) / 2)}`;
    }),
  ];
}

const page = `# What frozen layers make of the images, computed once

    npm run bench -- prefix --faces ${faces} --images ${images} --threads ${values.threads}

MobileFaceNet adapted on ${faces.toLocaleString("en")} photos of LFW's people outside folds 1 to 6 (${images.toLocaleString("en")} images seen, ${(images / faces).toFixed(1)} epochs, seed ${values.seed}), measured on fold 6: accuracy of 1,200 pairs and rank-1, per cent ± half the 95 % interval. Last stage:
adapters on the 1x1 convolutions at 7 x 7 pixels and behind. Kept: 25 kB an image and variant. Seconds and images/s are of
processor time, all threads together, so that other work on the machine hardly counts: images/s at the start (first 15 % of the steps) and at the end
(last quarter). All contenders see the same number of images; with N variants a face shows N draws of mirror and resolution in turn instead of a new one every epoch.

${cpus()[0]?.model.trim()}, ${cpus().length} cores; Node ${process.versions.node}. The machine was ${process.env.PETALFACE_BENCH_NOTE ?? "not watched for other work"}.

| method | trained numbers | seconds | images/s, start | images/s, end | ${columns.map(([title]) => title).join(" | ")} |
| ${Array.from({ length: 5 + columns.length }, () => "---").join(" | ")} |
${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}

${renderDifferences(groups, pairs).join("\n")}`;
console.log(page);
await mkdir(values.out, { recursive: true });
await writeFile(join(values.out, "prefix.md"), page);
