import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { itemAt, writeModel } from "onnx-grad";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { commandLine, flags, petalface, runNode } from "../skeleton/children.ts";
import { addRow, table } from "../skeleton/page.ts";
import type { Python } from "../skeleton/python.ts";
import { range } from "../skeleton/statistics.ts";
import { inTurns, wallSeconds } from "../skeleton/turns.ts";
import { startContender } from "../step/contender.ts";
import { graphOf, isSwin, openNetwork } from "../step/networks.ts";
import { writeWorkload } from "../step/workload.ts";

const batch = 8;

export default defineBenchmark({
  name: "startup",
  pages: ["startup", "startup-avx2"],
  title: "Time to the first step",
  measures: "Seconds and memory from the command `petalface adapt` to its first step, against PyTorch.",
  minutes: 4,
  needs: "the shared weights, Linux",
  requirements: "networks",
  options: {
    networks: { help: "as of `bench -- step`", default: ["fr_feature", "mobilefacenet", "swin_256new"] },
    rounds: { help: "rounds that are timed, after one that warms up", default: 3 },
    threads: { help: "threads of both", default: 2 },
    installed: {
      help: "folder that the files of `npm run pack` are installed in, as users have it; without: the sources",
      default: "",
    },
  },
  async run({ networks, rounds, threads, installed }, { work, python }) {
    const place = installed === "" ? undefined : resolve(installed);
    const peer = await python();
    const rows: string[][] = [];
    for (const name of networks) {
      const folder = join(work, name);
      await mkdir(folder, { recursive: true });
      const model = join(folder, "model.onnx");
      await writeModel(await graphOf(name), model);
      await writeWorkload(await openNetwork(name, model), batch, folder);
      const run = join(folder, "run");
      const faces = `synthetic:people=${batch / 2},images=2,seed=1`;
      const sites = isSwin(name) ? { sites: "*.attn.qkv" } : {};
      const ours = ["adapt", ...flags({ model, train: faces, batch, epochs: 1, threads, out: run, ...sites })];
      const order = JSON.stringify({ folder, form: "eager", threads, task: "step" });
      const wholes: number[] = [];
      const times = await inTurns(
        [
          async (round) => {
            const { step, whole } = await timeStart(ours, run, place);
            if (round >= 0) wholes.push(whole);
            return step;
          },
          ...(peer === undefined ? [] : [() => timePeer(peer, order)]),
        ],
        { rounds },
      );
      await rm(run, { recursive: true, force: true });
      // Asking for the memory holds the process up: not while it is timed.
      let peak = 0;
      await petalface(ours, {
        installed: place,
        watch: async (pid, ended) => {
          while (!ended()) {
            // The proportional size: two engines map the same weights, which resident memory would
            // count twice.
            const status = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
            peak = Math.max(peak, 1024 * Number(/Pss:\s+(\d+)/.exec(status)?.[1] ?? 0));
            await sleep(100);
          }
        },
      });
      const seconds = [itemAt(times, 0), times[1], wholes].map((each) => (each === undefined ? "-" : range(each)));
      addRow(rows, [name, ...seconds, (peak / 1e9).toFixed(2)]);
    }
    return {
      body: `Seconds from the launch of \`petalface adapt --train synthetic --batch ${batch}\` to the end of its first step:
loading, proving the model, finding sites, embedding the targets, building and opening the graph, the step. It ends when
its line is in \`metrics.jsonl\`. The whole run has this one step; it also writes the adapter and ends the process.
${peer === undefined ? "PyTorch was not measured." : "PyTorch: from the launch of the program of `bench -- step` (eager) to the end of its first step; its targets are given."}
${threads} threads; smallest and largest of ${rounds} rounds, after one that also fills petalface's cache. Peak: memory of
ours (proportional set size, ten times a second, in a run of its own), the mapped weights included. petalface ran
${installed === "" ? "from its sources" : "as the installed package"}.

${table(["network", "first step s", "PyTorch's s", "whole run s", "peak GB"], rows)}`,
      versions: (peer?.versions ?? []).filter((version) => version.startsWith("torch ")),
    };
  },
});

/** Seconds from the launch of PyTorch's program to the end of its first step. */
async function timePeer({ path }: Python, order: string): Promise<number> {
  const program = join(import.meta.dirname, "../step/peer.py");
  const started = { contender: startContender("eager", path, [program, order]) };
  const seconds = await wallSeconds(() => started.contender);
  await (await started.contender).finish();
  return seconds;
}

/** Seconds of a run of one step, from the launch of the command. */
interface StartTimes {
  /** To the end of the step: when its line is in the run's `metrics.jsonl`. */
  readonly step: number;
  /** To the end of the process. */
  readonly whole: number;
}

/**
 * Times a training command of one step, as its user starts it: nothing else is loaded into its
 * process.
 *
 * @param args those after `petalface`; the run has one step and no validation
 * @param folder of the run, which `args` name; one of an earlier run is removed
 * @param installed folder that the packed package is installed in; undefined: the sources
 * @throws what the command says when it fails
 */
async function timeStart(args: readonly string[], folder: string, installed: string | undefined): Promise<StartTimes> {
  await rm(folder, { recursive: true, force: true });
  // The clock of the file system, whose times are compared with it.
  const launched = Date.now();
  const { seconds: whole } = await runNode([commandLine(installed), ...args]);
  // A run of one step writes the file once, right after its step.
  const { mtimeMs } = await stat(join(folder, "metrics.jsonl"));
  return { step: (mtimeMs - launched) / 1000, whole };
}
