import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import type { Usage } from "../skeleton/measured.ts";
import { megabytes, table, whole } from "../skeleton/page.ts";
import { sum } from "../skeleton/statistics.ts";
import { UsageError } from "../skeleton/usage-error.ts";
import { makeIjbc, makeTinyface } from "./data.ts";
import { doTask, type Outcome } from "./ours.ts";
import { ijbc, tinyface } from "./sizes.ts";

const tasks: Readonly<Record<string, { readonly title: string; make(folder: string): Promise<void> }>> = {
  tinyface: {
    title: `TinyFace's size: ${whole(tinyface.probes)} probes in a gallery of ${whole(tinyface.gallery + tinyface.distractors)}`,
    make: makeTinyface,
  },
  ijbc: {
    title: `IJB-C's size: ${whole(ijbc.images)} images, ${whole(ijbc.templates)} templates, ${whole(ijbc.pairs)} pairs`,
    make: makeIjbc,
  },
};

type Contender = Outcome & Usage;

export default defineBenchmark({
  name: "evaluate",
  title: "Matching millions of embeddings",
  measures: "Time and memory of verification and search at the size of IJB-C and TinyFace, against NumPy.",
  minutes: 3,
  keeps: true,
  requirements: "evaluate",
  options: {
    tasks: { help: "data sets whose size is imitated", default: ["tinyface", "ijbc"] },
    data: { help: "only make the synthetic features (1.5 GB), so that a later run is alone", default: false },
  },
  async run({ tasks: names, data }, { work, python }) {
    const numpy = await python();
    const sections: string[] = [];
    for (const name of names) {
      const task = tasks[name];
      if (task === undefined) throw new UsageError(`no task "${name}"; choose among ${Object.keys(tasks).join(", ")}`);
      const folder = join(work, name);
      await mkdir(folder, { recursive: true });
      await task.make(folder);
      if (data) continue;
      const ours = await inProcess<Outcome>("evaluate", { task: name, folder });
      const peer = numpy?.json<Contender>([join(import.meta.dirname, "peer.py"), name, folder]);
      console.error(JSON.stringify([ours, peer]));
      sections.push(`## ${task.title}\n\n${renderTask({ ...ours, ...ours.value }, peer)}`);
    }
    if (data) return undefined;
    return {
      body: `Synthetic features of 512 numbers in files, everything after embedding: reading, templates (mean inside a medium, summed
over media), scores, exact rates. petalface also makes 95 % intervals over people (200 resamples) for all pairs. NumPy is
used the way the published evaluators of these data sets use it: rows of listed pairs gathered in batches of 100,000, one
matrix of all similarities for the search. CPU is the processor time of all threads; where the machine had other work the
seconds of the clock are longer than they would be.

${sections.join("\n\n")}`,
      versions: numpy?.versions ?? [],
    };
  },
  job: doTask,
});

function renderTask(ours: Contender, peer: Contender | undefined): string {
  const total = ({ parts }: Contender): number => sum(Object.values(parts));
  const columns = [...new Set([...Object.keys(ours.parts), ...Object.keys(peer?.parts ?? {})])];
  const row = (name: string, outcome: Contender): string[] => [
    name,
    ...columns.map((part) => outcome.parts[part]?.toFixed(1) ?? "-"),
    ...[total(outcome).toFixed(1), outcome.processor.toFixed(1), megabytes(outcome.peak)],
  ];
  const rates = Object.entries(ours.results).map(([name, value]) => `${name} ${(100 * value).toFixed(2)} %`);
  return `${table(
    ["", ...columns.map((part) => `${part}, s`), "all, s", "CPU, s", "peak, MB"],
    [row("petalface", ours), ...(peer === undefined ? [] : [row("NumPy", peer)])],
  )}

${peer === undefined ? "" : difference(ours, peer, total)}Rates: ${rates.join(", ")}.`;
}

function difference(ours: Contender, peer: Contender, total: (contender: Contender) => number): string {
  const off = Object.entries(ours.results).map(([name, value]) => Math.abs(value - (peer.results[name] ?? Number.NaN)));
  const times = (of: (contender: Contender) => number): string => (of(peer) / of(ours)).toFixed(1);
  const [processor, memory] = [times((each) => each.processor), times((each) => each.peak)];
  return `NumPy takes ${times(total)} times as long, ${processor} times the processor time and ${memory} times the memory. Largest
difference of a rate: ${Math.max(...off).toExponential(1)}.
`;
}
