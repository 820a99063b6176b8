/**
 * Seconds from the command `petalface adapt` to its first finished step, and PyTorch's from the launch of its program to its own:
 * `npm run bench -- startup --help`.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
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
  let peak = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const started = await firstStep(model, join(folder, "run"), isSwin(name) ? ["--sites", "*.attn.qkv"] : []);
    ours.push(started.seconds);
    peak = Math.max(peak, started.peak);
    torch.push(await torchFirstStep(folder));
  }
  const cells = [name, range(ours), range(torch), (peak / 1e9).toFixed(2)];
  lines.push(`| ${cells.join(" | ")} |`);
}
const page = `# Time to the first step

    npm run bench -- startup --networks ${values.networks}

Seconds from the command \`petalface adapt --train synthetic --batch ${batch}\` to its first recorded step: loading, proving the model, finding sites, embedding the
first targets, building and opening the graph, one step. PyTorch: from the launch of the program of \`bench -- step\` (eager) to the end of its first
step. Smallest and largest of ${values.rounds} rounds. Peak: resident memory of ours.

${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${threads} threads; Node ${process.versions.node}.

| network | petalface s | PyTorch s | peak GB |
| --- | --- | --- | --- |
${lines.join("\n")}
`;
console.log(page);
await mkdir(values.out, { recursive: true });
await writeFile(join(values.out, "startup.md"), page);

/** Runs `petalface adapt` until its first step is recorded, then ends it. */
async function firstStep(
  model: string,
  run: string,
  options: readonly string[],
): Promise<{ seconds: number; peak: number }> {
  await rm(run, { recursive: true, force: true });
  const program = join(here, "../../packages/petalface/src/cli/main.ts");
  const order = ["adapt", "--model", model, "--train", "synthetic:people=50,images=8,seed=1", "--batch", String(batch)];
  const begin = performance.now();
  const child = spawn(process.execPath, [program, ...order, ...options, "--threads", String(threads), "--out", run], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const metrics = join(run, "metrics.jsonl");
  const recorded = (): boolean => existsSync(metrics) && readFileSync(metrics, "utf8").includes("\n");
  while (child.exitCode === null && !recorded()) await sleep(20);
  const seconds = (performance.now() - begin) / 1000;
  if (!recorded()) throw new Error(`petalface adapt ended without a step:\n${said}`);
  const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
  child.kill("SIGINT");
  await ended;
  return { seconds, peak: 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) };
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
