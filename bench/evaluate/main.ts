/**
 * Millions of comparisons: time and memory of petalface's matching against NumPy, used the way the
 * published evaluators use it: `npm run bench -- evaluate --help`.
 */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeIjbc, makeTinyface } from "./data.ts";
import { ijbc, tinyface } from "./sizes.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    tasks: { type: "string", default: "tinyface,ijbc" },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-evaluate") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    limit: { type: "string", default: "600" },
    data: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- evaluate [--python PYTHON] [--tasks tinyface,ijbc] [--work FOLDER] [--out FOLDER] [--limit SECONDS] [--data]
--python: an interpreter that has numpy. --limit: after how long a contender is stopped. --data: makes the synthetic features (1.5 GB) and stops, so that only the rest is timed.`);
  process.exit(0);
}

/** What a contender prints. */
interface Outcome {
  readonly results: Readonly<Record<string, number>>;
  readonly parts: Readonly<Record<string, number>>;
  /** Peak of resident memory, bytes. */
  readonly peak: number;
  /** Processor time of all threads, seconds: hardly changed by what else the machine does. */
  readonly cpu: number;
  readonly numpy?: string;
}

const makers: Readonly<Record<string, (folder: string) => Promise<void>>> = { ijbc: makeIjbc, tinyface: makeTinyface };
const names: Readonly<Record<string, string>> = {
  tinyface: `TinyFace's size: ${tinyface.probes.toLocaleString("en")} probes in a gallery of ${(tinyface.gallery + tinyface.distractors).toLocaleString("en")}`,
  ijbc: `IJB-C's size: ${ijbc.images.toLocaleString("en")} images, ${ijbc.templates.toLocaleString("en")} templates, ${ijbc.pairs.toLocaleString("en")} pairs`,
};
/** Runs one contender in a process of its own; undefined where it took longer than the limit. */
function run(program: string, ...args: string[]): Outcome | undefined {
  try {
    const text = execFileSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 1000 * Number(values.limit),
    });
    const outcome = JSON.parse(text) as Outcome;
    console.error(JSON.stringify(outcome));
    return outcome;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ETIMEDOUT") return undefined;
    throw error;
  }
}
const total = ({ parts }: Outcome): number => Object.values(parts).reduce((sum, seconds) => sum + seconds, 0);
const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

const sections: string[] = [];
let numpy = "";
for (const task of values.tasks.split(",")) {
  const folder = join(values.work, task);
  await mkdir(folder, { recursive: true });
  await makers[task]?.(folder);
  if (values.data) continue;
  const load = loadavg()[0] ?? 0;
  const ours = run(process.execPath, join(import.meta.dirname, "ours.ts"), task, folder);
  const peer = run(values.python, join(import.meta.dirname, "peer.py"), task, folder);
  if (ours === undefined) throw new Error(`petalface took longer than ${values.limit} s`);
  numpy = peer?.numpy ?? numpy;
  const columns = [...new Set([...Object.keys(ours.parts), ...Object.keys(peer?.parts ?? {})])];
  const line = (name: string, outcome: Outcome | undefined): string =>
    outcome === undefined
      ? row(name, ...columns.map(() => "-"), `more than ${values.limit}`, "-", "-")
      : row(
          name,
          ...columns.map((part) => outcome.parts[part]?.toFixed(1) ?? "-"),
          total(outcome).toFixed(1),
          outcome.cpu.toFixed(1),
          (outcome.peak / 2 ** 20).toFixed(0),
        );
  const difference = (other: Outcome): string => {
    const worst = Math.max(
      ...Object.entries(ours.results).map(([name, value]) => Math.abs(value - (other.results[name] ?? Number.NaN))),
    );
    const times = (a: number, b: number): string => (a / b).toFixed(1);
    return `NumPy takes ${times(total(other), total(ours))} times as long, ${times(other.cpu, ours.cpu)} times the processor time and ${times(other.peak, ours.peak)} times the memory. Largest difference of a rate: ${worst.toExponential(1)}.`;
  };
  const rates = Object.entries(ours.results).map(([name, value]) => `${name} ${(100 * value).toFixed(2)} %`);
  sections.push(
    `## ${names[task]}`,
    "",
    row("", ...columns.map((part) => `${part}, s`), "all, s", "CPU, s", "peak, MB"),
    row("---", ...columns.map(() => "---"), "---", "---", "---"),
    line("petalface", ours),
    line("NumPy", peer),
    "",
    ...(peer === undefined ? [] : [difference(peer)]),
    `Rates: ${rates.join(", ")}. Load of the machine when it began: ${load.toFixed(1)}.`,
    "",
  );
}
if (!values.data) {
  const text = [
    "# Matching millions of embeddings",
    "",
    `    npm run bench -- evaluate --tasks ${values.tasks}`,
    "",
    "Synthetic features of 512 numbers in files, everything after embedding: reading, templates (mean inside a medium, summed over media), scores, exact rates.",
    "petalface also makes 95 % intervals over people (200 resamples) for all pairs. NumPy is used the way the published evaluators of these data sets use it: rows of",
    "listed pairs gathered in batches of 100,000, one matrix of all similarities for the search. CPU is the processor time of all threads; where the machine had other",
    "work (its load is given) the seconds of the clock are longer than they would be.",
    "",
    `${cpus()[0]?.model.trim() ?? ""}, ${cpus().length} cores; node ${process.versions.node}, numpy ${numpy}.`,
    "",
    ...sections,
  ].join("\n");
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, "evaluate.md"), text);
  console.log(text);
}
