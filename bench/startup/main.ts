/**
 * Seconds of the command `petalface adapt` for a run of one step, and PyTorch's from the launch of
 * its program to its own: `npm run bench -- startup --help`.
 */
import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { writeModel } from "onnx-grad";
import { makePython } from "../networks/python.ts";
import { startContender } from "../step/contender.ts";
import { graphOf, isSwin, openNetwork } from "../step/networks.ts";
import { makeWorkload, writeWorkload } from "../step/workload.ts";

const here = import.meta.dirname;
const { values } = parseArgs({
  options: {
    networks: { type: "string", default: "fr_feature,mobilefacenet,swin_256new" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    work: { type: "string", default: join(here, "../../runs/bench-startup") },
    venv: { type: "string", default: join(here, "../../runs/bench-networks/python") },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: join(here, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- startup [--networks A,B] [--rounds N] [--threads N] [--work FOLDER] [--venv FOLDER] [--python PROGRAM]
  [--out FOLDER]`);
  process.exit(0);
}

const batch = 8;
const threads = Number(values.threads);
const python = await makePython(values.venv, values.python);
const lines: string[] = [];
for (const name of values.networks.split(",")) {
  const folder = join(values.work, name);
  await mkdir(folder, { recursive: true });
  const model = join(folder, "model.onnx");
  await writeModel(await graphOf(name), model);
  await writeWorkload(await makeWorkload(await openNetwork(name, model), batch), folder);
  const [ours, torch]: [number[], number[]] = [[], []];
  const options = isSwin(name) ? ["--sites", "*.attn.qkv"] : [];
  for (let round = 0; round < Number(values.rounds); round++) {
    ours.push((await firstStep(model, join(folder, "run"), options)).seconds);
    torch.push(await torchFirstStep(folder));
  }
  // Asking for the memory holds the process up: not while it is timed.
  const { peak } = await firstStep(model, join(folder, "run"), options, true);
  const cells = [name, range(ours), range(torch), (peak / 1e9).toFixed(2)];
  lines.push(`| ${cells.join(" | ")} |`);
}
const page = `# Time to the first step

    npm run bench -- startup --networks ${values.networks}

Seconds from the command \`petalface adapt --train synthetic --batch ${batch}\` to the end of a run of one step: loading, proving the model, finding sites, embedding the
targets, building and opening the graph, the step, writing the adapter. PyTorch: from the launch of the program of \`bench -- step\` (eager) to the end of its first
step. Smallest and largest of ${values.rounds} rounds. Peak: memory of ours (proportional set
size, ten times a second, in a run of its own), the mapped weights included.

${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${threads} threads; Node ${process.versions.node}.

| network | petalface s | PyTorch s | peak GB |
| --- | --- | --- | --- |
${lines.join("\n")}
`;
console.log(page);
await mkdir(values.out, { recursive: true });
await writeFile(join(values.out, "startup.md"), page);

/** Runs `petalface adapt` on as many faces as one step takes. */
async function firstStep(
  model: string,
  run: string,
  options: readonly string[],
  watched = false,
): Promise<{ seconds: number; peak: number }> {
  await rm(run, { recursive: true, force: true });
  const program = join(here, "../../packages/petalface/src/cli/main.ts");
  const faces = `synthetic:people=${batch / 2},images=2,seed=1`;
  const order = ["adapt", "--model", model, "--train", faces, "--batch", String(batch), "--epochs", "1", ...options];
  const begin = performance.now();
  const child = spawn(process.execPath, [program, ...order, "--threads", String(threads), "--out", run], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  let peak = 0;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  while (watched && child.exitCode === null && child.signalCode === null) {
    // The proportional size: two engines map the same weights, which resident memory would count
    // twice.
    const status = await readFile(`/proc/${child.pid}/smaps_rollup`, "utf8").catch(() => "");
    peak = Math.max(peak, 1024 * Number(/Pss:\s+(\d+)/.exec(status)?.[1] ?? 0));
    await sleep(100);
  }
  await ended;
  if (child.exitCode !== 0) throw new Error(`petalface adapt ended with exit code ${child.exitCode}`);
  return { seconds: (performance.now() - begin) / 1000, peak };
}

async function torchFirstStep(folder: string): Promise<number> {
  const order = JSON.stringify({ folder, form: "eager", threads, task: "step" });
  const begin = performance.now();
  const contender = await startContender("eager", python, [join(here, "../step/peer.py"), order]);
  const seconds = (performance.now() - begin) / 1000;
  await contender.finish();
  return seconds;
}

function range(seconds: readonly number[]): string {
  return `${Math.min(...seconds).toFixed(1)}-${Math.max(...seconds).toFixed(1)}`;
}
