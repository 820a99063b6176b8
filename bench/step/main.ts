/**
 * One training step (`npm run bench -- step`) or embedding one batch (`-- embed`), ours and others' on the same network, weights, batch and
 * threads, alternately. Prints and records the ratio, its spread over the rounds, the share of the machine's matrix product limit, and peak memory.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { itemAt, setBatch, writeModel } from "onnx-grad";
import { makePython, runPython } from "../networks/python.ts";
import { relativeError } from "../skeleton/statistics.ts";
import { type Contender, startContender } from "./contender.ts";
import { flopsOf } from "./flops.ts";
import { gemmLimit } from "./gemm.ts";
import { embeddingNames, graphOf, isSwin, isTimm, networkNames, openNetwork } from "./networks.ts";
import { type Row, renderIntroduction, renderRun } from "./table.ts";
import { trainingGraphOf } from "./training-graph.ts";
import { makeWorkload, readFloats, writeWorkload } from "./workload.ts";

const convolutionForms = ["eager", "channels-last", "compiled"];
const swinForms = ["int8", "eager", "fused attention", "compiled"];
/** Forms of ours, each with the option that asks for it. */
const ourForms: Readonly<Record<string, string>> = { int8: "--base int8", fast: "--fast" };
const timmForms = ["peft", "compiled"];
/** Whether faces are only embedded, by the frozen network. */
const embeds = process.argv[2] === "embed";
const task = embeds ? "embed" : "step";

const here = import.meta.dirname;
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    networks: { type: "string", default: (embeds ? embeddingNames : networkNames).join(",") },
    batch: { type: "string" },
    forms: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    work: { type: "string", default: join(here, `../../runs/bench-${task}`) },
    venv: { type: "string", default: join(here, "../../runs/bench-networks/python") },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: join(here, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- ${task} [--networks A,B] [--batch 8,32] [--forms eager,channels-last,compiled,"fused attention",int8,fast,onnxruntime] [--rounds N]
  [--seconds N: of steps in a round] [--threads N] [--work FOLDER] [--venv FOLDER] [--python PROGRAM] [--out FOLDER]
Networks are ${networkNames.join(", ")} (steps only: 18 Swin blocks), vit_small_patch16_224 (timm's, adapted by Hugging Face's peft), or names of petalface import --arch such as swin_256new and r50 (drawn weights).
The first call makes a Python environment with PyTorch (about 6 GB). fr_feature and mobilefacenet need the shared weights.`);
  process.exit(0);
}

const ortManifest = await readFile(join(here, "../../node_modules/onnxruntime-node/package.json"), "utf8");
const threads = Number(values.threads);
const python = await makePython(values.venv, values.python);
const limit = { ours: await gemmLimit(threads), torch: torchLimit() };
console.log(
  `matrix products of 1024 x 1024 x 1024, GFLOP/s: onnxruntime ${limit.ours.toFixed(0)}, PyTorch ${limit.torch.toFixed(0)}`,
);
const rows: Row[] = [];
for (const name of values.networks.split(","))
  for (const batch of (values.batch ?? (isSwin(name) ? "8" : "8,32,64")).split(",").map(Number))
    rows.push(...(await compare(name, batch)));
const setting = { cpu: cpus()[0]?.model.trim() ?? "", cores: cpus().length, threads, limit, versions: versions() };
const section = renderRun(task, rows, setting);
console.log(section);
await mkdir(values.out, { recursive: true });
const page = join(values.out, `${task}.md`);
await writeFile(page, (existsSync(page) ? await readFile(page, "utf8") : renderIntroduction(task)) + section);

/** All contenders on one network and batch: started one after the other, then timed alternately, each round in another order. */
async function compare(name: string, batch: number): Promise<Row[]> {
  const folder = join(values.work, `${name}-${batch}`);
  await mkdir(folder, { recursive: true });
  if (isTimm(name)) {
    runPython(python, "export.py", [name, folder, "ts"]);
    await copyFile(join(folder, `${name}-ts.onnx`), join(folder, "model.onnx"));
  } else await writeModel(await graphOf(name), join(folder, "model.onnx"));
  const network = await openNetwork(name, join(folder, "model.onnx"));
  await writeWorkload(await makeWorkload(network, batch), folder);
  const flops = flopsOf(embeds ? setBatch(network.backbone.graph, batch) : trainingGraphOf(network, batch).graph);
  const peer = (form: string) => [join(here, "peer.py"), JSON.stringify({ folder, form, threads, task })];
  execFileSync(python, peer("reference"), { stdio: ["ignore", "inherit", "inherit"] });

  const usual = isTimm(name) ? timmForms : isSwin(name) ? swinForms : convolutionForms;
  const forms = values.forms?.split(",") ?? (embeds ? ["fast", ...usual.slice(-3, -1), "onnxruntime"] : usual);
  const ours = (name: string, options: object): Promise<Contender> =>
    startContender(name, process.execPath, [
      join(here, "ours.ts"),
      JSON.stringify({ network: network.name, batch, threads, folder, task, ...options }),
    ]);
  const contenders = [await ours("petalface", { values: "ours" })];
  const errors = [relativeError(await readFloats(folder, "ours"), await readFloats(folder, "reference"))];
  for (const form of forms) {
    const own = ourForms[form];
    if (own !== undefined) {
      contenders.push(await ours(`petalface ${own}`, { values: form, [form]: true }));
      errors[contenders.length - 1] = relativeError(
        await readFloats(folder, form),
        await readFloats(folder, "reference"),
      );
      continue;
    }
    const [, ...order] = peer(form);
    const program = join(here, form === "onnxruntime" ? "session.py" : "peer.py");
    contenders.push(await startContender(form, python, [program, ...order]));
  }
  const times = contenders.map((): number[] => []);
  const steps = contenders.map(() => 1);
  for (let round = -1; round < Number(values.rounds); round++)
    for (let i = 0; i < contenders.length; i++) {
      const at = (i + round + contenders.length) % contenders.length;
      // Whoever ran before may have threads that still wait busily.
      await sleep(100);
      const { seconds } = await contenders[at].run(itemAt(steps, at));
      if (round < 0) steps[at] = Math.max(1, Math.round(Number(values.seconds) / seconds));
      else times[at]?.push(seconds);
    }
  const peaks: number[] = [];
  for (const contender of contenders) peaks.push(await contender.finish());
  return contenders.map((contender, at) => ({
    network: name,
    batch,
    contender: contender.name,
    seconds: times[at],
    ours: times[0],
    startup: contender.startup,
    peak: itemAt(peaks, at),
    gflops: flops / 1e9,
    error: errors[at],
    limit: /petalface|onnxruntime/.test(contender.name) ? limit.ours : limit.torch,
  }));
}

/** What PyTorch reaches on 1024 x 1024 matrices, best of 20, GFLOP/s. */
function torchLimit(): number {
  const program = `
import sys, time, torch
torch.set_num_threads(${threads})
x, w = torch.rand(1024, 1024), torch.rand(1024, 1024)
def product():
    begin = time.perf_counter()
    torch.nn.functional.linear(x, w)
    return time.perf_counter() - begin
print(2 * 1024**3 / min(product() for _ in range(20)) / 1e9)`;
  return Number(execFileSync(python, ["-c", program], { encoding: "utf8" }));
}

function versions(): string {
  const torch = execFileSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" }).trim();
  const { version } = JSON.parse(ortManifest) as { version: string };
  return `onnxruntime ${version}, PyTorch ${torch}, Node ${process.versions.node}`;
}
