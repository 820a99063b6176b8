/**
 * Seconds of the command `petalface adapt` for a run of one step, and PyTorch's from the launch of
 * its program to its own.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { itemAt, writeModel } from "onnx-grad";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { petalface } from "../skeleton/children.ts";
import { table } from "../skeleton/page.ts";
import { range } from "../skeleton/statistics.ts";
import { inTurns, wallSeconds } from "../skeleton/turns.ts";
import { startContender } from "../step/contender.ts";
import { graphOf, isSwin, openNetwork } from "../step/networks.ts";
import { makeWorkload, writeWorkload } from "../step/workload.ts";

const batch = 8;

export default defineBenchmark({
  name: "startup",
  title: "Time to the first step",
  measures: "Seconds and memory from the command `petalface adapt` to its first step, against PyTorch.",
  minutes: 4,
  needs: "the shared weights, Linux",
  requirements: join(import.meta.dirname, "../networks/requirements.txt"),
  options: {
    networks: { help: "as of `bench -- step`", default: ["fr_feature", "mobilefacenet", "swin_256new"] },
    rounds: { help: "rounds that are timed, after one that warms up", default: 3 },
    threads: { help: "threads of both", default: 2 },
    installed: {
      help: "folder that the files of `npm run pack` are installed in, as users have it; without: the sources",
      default: "",
    },
  },
  async run({ networks, rounds, threads, installed }, { work, needPython }) {
    const command = installed === "" ? {} : { installed: resolve(installed) };
    const python = await needPython();
    const rows: string[][] = [];
    for (const name of networks) {
      const folder = join(work, name);
      await mkdir(folder, { recursive: true });
      const model = join(folder, "model.onnx");
      await writeModel(await graphOf(name), model);
      await writeWorkload(await makeWorkload(await openNetwork(name, model), batch), folder);
      const run = join(folder, "run");
      const faces = `synthetic:people=${batch / 2},images=2,seed=1`;
      const ours = [
        ...["adapt", "--model", model, "--train", faces, "--batch", String(batch), "--epochs", "1"],
        ...["--threads", String(threads), "--out", run, ...(isSwin(name) ? ["--sites", "*.attn.qkv"] : [])],
      ];
      const order = JSON.stringify({ folder, form: "eager", threads, task: "step" });
      const times = await inTurns(
        [
          async () => {
            await rm(run, { recursive: true, force: true });
            return (await petalface(ours, command)).seconds;
          },
          async () => {
            const program = join(import.meta.dirname, "../step/peer.py");
            const started = { contender: startContender("eager", python.path, [program, order]) };
            const seconds = await wallSeconds(() => started.contender);
            await (await started.contender).finish();
            return seconds;
          },
        ],
        { rounds },
      );
      await rm(run, { recursive: true, force: true });
      // Asking for the memory holds the process up: not while it is timed.
      let peak = 0;
      await petalface(ours, {
        ...command,
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
      rows.push([name, range(itemAt(times, 0), 1), range(itemAt(times, 1), 1), (peak / 1e9).toFixed(2)]);
      console.error(rows.at(-1)?.join("  "));
    }
    return {
      body: `Seconds from the command \`petalface adapt --train synthetic --batch ${batch}\` to the end of a run of one step: loading, proving
the model, finding sites, embedding the targets, building and opening the graph, the step, writing the adapter. PyTorch:
from the launch of the program of \`bench -- step\` (eager) to the end of its first step. ${threads} threads; smallest and largest of
${rounds} rounds. Peak: memory of ours (proportional set size, ten times a second, in a run of its own), the mapped weights
included. petalface ran ${installed === "" ? "from its sources" : "as the installed package"}.

${table(["network", "petalface s", "PyTorch s", "peak GB"], rows)}`,
      versions: python.versions.filter((version) => version.startsWith("torch ")),
    };
  },
});
