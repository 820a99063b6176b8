/**
 * Adapts real face models on real faces and measures what that gained:
 * `npm run bench -- faces --help`. Every (model, contender, seed) is a process of its own; finished
 * ones are kept in the work folder and not run again.
 */
import { fork } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Contender, choiceFolds, contenders, testFolds } from "./plan.ts";
import { finishedJob, type Job, runJob } from "./run.ts";
import { type Cell, renderResults } from "./table.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "mobilefacenet,fr_feature" },
    contenders: { type: "string", default: contenders.map((contender) => contender.name).join(";") },
    seeds: { type: "string", default: "0,1,2" },
    images: { type: "string", default: "9600" },
    jobs: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
    work: { type: "string", default: join(import.meta.dirname, "../../runs/bench-faces") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    name: { type: "string", default: "faces" },
    options: { type: "string", default: "{}" },
    tune: { type: "boolean", default: false },
    job: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(
    `npm run bench -- faces [--models A,B] [--contenders "frozen;petal"] [--seeds 0,1,2] [--images N] [--jobs N] [--threads N]
  [--work FOLDER] [--out FOLDER] [--name NAME] [--options JSON] [--tune]
--images: training images seen ("petal, long" sees 8 times as many, "petal, synthetic" twice). --options: training choices on top of each contender's. --tune: measure on fold 6, for choices.`,
  );
} else if (values.job === undefined) await all();
else await one(values.job);

/** A child process: one job, given as JSON. */
async function one(text: string): Promise<void> {
  const job = JSON.parse(text) as Job;
  const started = performance.now();
  const { seconds } = await runJob(job);
  const total = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${job.model} ${job.contender.name} seed ${job.seed}: trained ${seconds.toFixed(0)} s, ${total} s in all`,
  );
  process.exit(0);
}

/** The frozen model has no seed. */
function seedsOf({ options, once }: Contender): string[] {
  if (options === undefined) return ["0"];
  const seeds = values.seeds.split(",");
  return once === true ? seeds.slice(0, 1) : seeds;
}

async function all(): Promise<void> {
  const work = values.work;
  const names = values.contenders.split(";");
  const jobs = values.models.split(",").flatMap((model) =>
    contenders
      .filter((contender) => names.includes(contender.name))
      .flatMap((contender) =>
        seedsOf(contender).map((seed): Job => {
          const folder = join(work, values.name, model, contender.name.replaceAll(/[^a-z]+/g, "-"), seed);
          const folds = values.tune ? choiceFolds : testFolds;
          const options = JSON.parse(values.options) as NonNullable<Job["options"]>;
          return {
            contender,
            model,
            seed: Number(seed),
            images: Number(values.images) * (contender.times ?? 1),
            folds,
            threads: Number(values.threads),
            folder,
            options,
          };
        }),
      ),
  );
  await mkdir(work, { recursive: true });
  const waiting = [...jobs];
  const next = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift())
      if ((await finishedJob(job.folder)) === undefined) await start(job);
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, next));
  const cells: Cell[] = [];
  for (const job of jobs) {
    const done = await finishedJob(job.folder);
    if (done !== undefined) cells.push({ job, done });
  }
  const text = renderResults(
    cells,
    `--models ${values.models} --images ${values.images} --seeds ${values.seeds} --jobs ${values.jobs} --threads ${values.threads} --options '${values.options}'`,
  );
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, `${values.name}.md`), text);
  console.log(text);
}

function start(job: Job): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ["--job", JSON.stringify(job)]);
    child.on("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`job failed: ${job.model} ${job.contender.name} ${job.seed}`)),
    );
  });
}
