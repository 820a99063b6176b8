/**
 * One training step (`npm run bench -- step`) or embedding one batch (`-- embed`), ours and others'
 * on the same network, weights, batch and threads, alternately: the ratio, its spread over the
 * rounds, the share of the machine's matrix product limit, and peak memory.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { itemAt, setBatch, writeModel } from "onnx-grad";
import { type Benchmark, defineBenchmark } from "../skeleton/benchmark.ts";
import { readFloats } from "../skeleton/floats.ts";
import type { Python } from "../skeleton/python.ts";
import { relativeError } from "../skeleton/statistics.ts";
import { type Contender, ourProgram, startContender, timeSteps } from "./contender.ts";
import { flopsOf } from "./flops.ts";
import { gemmLimit } from "./gemm.ts";
import { embeddingNames, graphOf, isSwin, isTimm, networkNames, openNetwork } from "./networks.ts";
import { introduction, type Row, renderRun } from "./table.ts";
import { trainingGraphOf } from "./training-graph.ts";
import { writeWorkload } from "./workload.ts";

type Task = "step" | "embed";

const here = (program: string): string => join(import.meta.dirname, program);
const convolutionForms = ["eager", "channels-last", "compiled"];
const swinForms = ["int8", "eager", "fused attention", "compiled"];
const timmForms = ["peft", "compiled"];
/** Forms of ours, each with the option that asks for it. */
const ourForms: Readonly<Record<string, string>> = { int8: "--base int8", fast: "--fast" };

/** What all comparisons of a run share. */
interface Setting {
  readonly task: Task;
  readonly work: string;
  readonly python: Python;
  readonly threads: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly forms: string | undefined;
  readonly limit: { readonly ours: number; readonly torch: number };
}

/** The benchmark of training steps, or of embedding with the frozen network. */
export const stepBenchmark = (task: Task): Benchmark =>
  defineBenchmark({
    name: task,
    title: task === "step" ? "One training step" : "Embedding a batch",
    measures:
      task === "step"
        ? "Time and memory of a training step, against PyTorch in several forms and PEFT."
        : "Faces a second that are embedded, against PyTorch and onnxruntime's Python package.",
    minutes: 25,
    needs: "the shared weights, Linux",
    keeps: true,
    requirements: "networks",
    options: {
      networks: {
        help: "swin (18 blocks, steps only), vit_small_patch16_224 (timm's, with PEFT), or names of import --arch",
        default: [...(task === "step" ? networkNames : embeddingNames)],
      },
      batch: { help: "batches, such as 8,32 (8,32,64; 8 of Swin)" },
      forms: { help: 'of others and ours: eager, channels-last, compiled, "fused attention", int8, fast, onnxruntime' },
      rounds: { help: "rounds that are timed", default: 5 },
      seconds: { help: "of steps in a round", default: 2 },
      threads: { help: "threads of all contenders", default: 2 },
    },
    async run({ networks, batch, forms, rounds, seconds, threads }, { work, needPython }) {
      const python = await needPython();
      const limit = { ours: await gemmLimit(threads), torch: Number(python.run([here("gemm.py"), String(threads)])) };
      const setting: Setting = { task, work, python, threads, rounds, seconds, forms, limit };
      const rows: Row[] = [];
      for (const name of networks)
        for (const size of (batch ?? (isSwin(name) ? "8" : "8,32,64")).split(",").map(Number))
          rows.push(...(await compare(name, size, setting)));
      return {
        section: networks.join(", "),
        intro: introduction(task),
        body: `${threads} threads; products of 1024 x 1024: onnxruntime ${limit.ours.toFixed(0)} GFLOP/s, PyTorch ${limit.torch.toFixed(0)}.\n\n${renderRun(rows)}`,
        versions: python.versions.filter((version) => /^(torch|onnxruntime|peft|timm) /.test(version)),
      };
    },
  });

/**
 * All contenders on one network and batch: started one after the other, then timed alternately,
 * each round in another order.
 */
async function compare(name: string, batch: number, setting: Setting): Promise<Row[]> {
  const { task, work, python, threads, rounds, limit } = setting;
  const folder = join(work, `${name}-${batch}`);
  await mkdir(folder, { recursive: true });
  const model = join(folder, "model.onnx");
  if (isTimm(name)) {
    python.run([here("../networks/export.py"), name, folder, "ts"]);
    await copyFile(join(folder, `${name}-ts.onnx`), model);
  } else await writeModel(await graphOf(name), model);
  const network = await openNetwork(name, model);
  await writeWorkload(network, batch, folder);
  const graph = task === "embed" ? setBatch(network.backbone.graph, batch) : trainingGraphOf(network, batch).graph;
  const flops = flopsOf(graph);
  const peer = (form: string): string => JSON.stringify({ folder, form, threads, task });
  python.run([here("peer.py"), peer("reference")]);

  const usual = isTimm(name) ? timmForms : isSwin(name) ? swinForms : convolutionForms;
  const embedded = ["fast", ...usual.slice(-3, -1), "onnxruntime"];
  const forms = setting.forms?.split(",") ?? (task === "embed" ? embedded : usual);
  const floatsOf = (name: string) => readFloats(join(folder, `${name}.f32`));
  const contenders: Contender[] = [];
  const errors: (number | undefined)[] = [];
  for (const form of ["ours", ...forms]) {
    const own = ourForms[form];
    if (form !== "ours" && own === undefined) {
      const program = here(form === "onnxruntime" ? "session.py" : "peer.py");
      contenders.push(await startContender(form, python.path, [program, peer(form)]));
      errors.push(undefined);
      continue;
    }
    const order = { network: network.name, batch, threads, folder, task, values: form, [form]: true };
    const called = own === undefined ? "petalface" : `petalface ${own}`;
    contenders.push(await startContender(called, process.execPath, [ourProgram, JSON.stringify(order)]));
    const [ownFloats, exact] = [await floatsOf(form), await floatsOf("reference")];
    errors.push(relativeError(ownFloats, exact));
  }
  const timings = await timeSteps(contenders, { rounds, seconds: setting.seconds, warmUp: 1 });
  const times = timings.map((own) => own.map(({ seconds }) => seconds));
  const rows: Row[] = [];
  for (const [at, contender] of contenders.entries())
    rows.push({
      network: name,
      batch,
      contender: contender.name,
      seconds: itemAt(times, at),
      ours: itemAt(times, 0),
      startup: contender.startup,
      peak: await contender.finish(),
      gflops: flops / 1e9,
      error: errors[at],
      limit: /petalface|onnxruntime/.test(contender.name) ? limit.ours : limit.torch,
    });
  return rows;
}
