/**
 * What 8-bit frozen weights (`petalface adapt --base int8`) do to the accuracy, speed and memory of a trained transformer:
 * `npm run bench -- base --help`. The network is made once and kept, and so is every finished training.
 */
import { execFileSync, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Contender, shared, testFolds } from "../faces/plan.ts";
import { finishedJob, type Job, runJob, trainingFaces } from "../faces/run.ts";
import type { Cell } from "../faces/table.ts";
import { makePython } from "../networks/python.ts";
import { contenders, pixels } from "./plan.ts";
import { measureSteps } from "./speed.ts";
import { type Learned, type RunCost, renderBase } from "./table.ts";

const here = import.meta.dirname;
const { values } = parseArgs({
  options: {
    images: { type: "string", default: "9600" },
    seeds: { type: "string", default: "0,1,2" },
    epochs: { type: "string", default: "3" },
    rounds: { type: "string", default: "9" },
    threads: { type: "string", default: "1" },
    work: { type: "string", default: join(here, "../../runs/bench-base") },
    venv: { type: "string", default: join(here, "../../runs/bench-networks/python") },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: join(here, "../results") },
    job: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const threads = Number(values.threads);

if (values.help) {
  console.log(`npm run bench -- base [--images N] [--seeds 0,1,2] [--epochs N] [--rounds N] [--threads N] [--work FOLDER] [--venv FOLDER]
  [--python PROGRAM] [--out FOLDER]
--images: training images seen. --epochs: of the network's own training. --rounds: of steps that are timed. --venv: Python environment with
PyTorch (about 6 GB), made if it is not there. Over an hour of one quiet core; --images 1280 --seeds 0 takes half of that.`);
} else if (values.job === undefined) await all();
else await one(values.job);

/** A child process: one job, given as JSON. Writes the cost of its steps next to its result. */
async function one(text: string): Promise<void> {
  const job = JSON.parse(text) as Job;
  const used: number[] = [];
  let peak = 0;
  const onStep = (): void => {
    const { user, system } = process.cpuUsage();
    used.push((user + system) / 1000);
    peak = 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  };
  await runJob({ ...job, onStep });
  const cost: RunCost = { processor: (used.at(-1) ?? 0) / 1000, peak };
  await writeFile(costFile(job.folder), JSON.stringify(cost));
  process.exit(0);
}

async function all(): Promise<void> {
  await mkdir(values.work, { recursive: true });
  const model = await hybrid();
  const cells: (Cell & { readonly cost: RunCost })[] = [];
  for (const job of jobs(model)) {
    const kept = existsSync(costFile(job.folder)) ? await finishedJob(job.folder) : undefined;
    if (kept === undefined) {
      await rm(job.folder, { recursive: true, force: true });
      await start(job);
    }
    const done = kept ?? (await finishedJob(job.folder));
    if (done === undefined) throw new Error(`${job.contender.name} seed ${job.seed} left no result`);
    cells.push({ job, done, cost: JSON.parse(await readFile(costFile(job.folder), "utf8")) as RunCost });
    console.error(`${job.contender.name} seed ${job.seed}: trained ${done.seconds.toFixed(0)} s`);
  }
  const steps = await measureSteps(model, { work: values.work, threads, rounds: Number(values.rounds), steps: 2 });
  const learned = JSON.parse(await readFile(join(values.work, "hybrid.json"), "utf8")) as Learned;
  const command = `--images ${values.images} --seeds ${values.seeds} --threads ${threads}`;
  const page = renderBase({ command, cells, steps, learned, threads });
  console.log(page);
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, "base.md"), page);
}

/** The trained network; made if it is not there yet. */
async function hybrid(): Promise<string> {
  const model = join(values.work, "hybrid.onnx");
  if (existsSync(model)) return model;
  const python = await makePython(values.venv, values.python);
  const faces = await trainingFaces();
  const paths = Array.from({ length: faces.length }, (_, at) => {
    const { source } = faces.at(at);
    if (source.kind !== "file") throw new Error("LFW's photos are files");
    return source.path;
  });
  const list = join(values.work, "photos.txt");
  await writeFile(list, paths.join("\n"));
  const teacher = join(shared, "weights/mobilefacenet.onnx");
  execFileSync(python, [join(here, "hybrid.py"), teacher, list, values.work, `${threads}`, values.epochs], {
    stdio: ["ignore", 2, 2],
  });
  return model;
}

/** The frozen network has no seed; the seeds of the others one after the other, so that a stopped bench has whole pairs. */
function jobs(model: string): Job[] {
  const job = (contender: Contender, seed: number): Job => ({
    contender,
    model,
    seed,
    threads,
    pixels,
    images: Number(values.images),
    folds: testFolds,
    folder: join(values.work, `${contender.name}-${values.images}-${seed}`),
  });
  const [frozen, ...trained] = contenders as [Contender, ...Contender[]];
  const seeds = values.seeds.split(",").map(Number);
  return [job(frozen, 0), ...seeds.flatMap((seed) => trained.map((contender) => job(contender, seed)))];
}

function start(job: Job): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ["--job", JSON.stringify(job)]);
    child.on("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`job failed: ${job.contender.name} ${job.seed}`)),
    );
  });
}

function costFile(folder: string): string {
  return join(folder, "cost.json");
}
