import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table } from "../skeleton/page.ts";
import { compareOperator } from "./compare.ts";

const variants = ["ts12", "dynamo18", "dynamo23"] as const;

/** Outputs and gradients may be this far apart, by the largest number. */
const bar = 1e-3;

/** One function in one variant: how far apart, or why there is nothing to compare. */
type Cell =
  | { readonly kind: "compared"; readonly output: number; readonly gradients: number }
  | { readonly kind: "not exported" | "not read"; readonly reason: string };

async function cellOf(folder: string, name: string, variant: string): Promise<Cell> {
  const reason = join(folder, `${name}-${variant}.txt`);
  if (existsSync(reason)) return { kind: "not exported", reason: (await readFile(reason, "utf8")).trim() };
  try {
    return { kind: "compared", ...(await compareOperator(folder, name, variant)) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { kind: "not read", reason: text.replaceAll(`${folder}/`, "").split("\n")[0] ?? "" };
  }
}

export default defineBenchmark({
  name: "operators",
  title: "Gradients of single functions against PyTorch's",
  measures: "How far gradients of single functions of PyTorch, exported in three ways, are from PyTorch's.",
  minutes: 10,
  keeps: true,
  requirements: "networks",
  options: { files: { help: "compare what export.py wrote to this folder before; needs no Python" } },
  async run({ files }, { work, needPython }) {
    const folder = files ?? work;
    const versions: string[] = [];
    if (files === undefined) {
      const python = await needPython();
      python.run([join(import.meta.dirname, "export.py"), folder]);
      versions.push(...python.versions.filter((version) => /^(torch|onnx|onnxscript) /.test(version)));
    }
    const names = (await readdir(folder)).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -5)] : []));
    const rows: string[][] = [];
    const notes: string[] = [];
    const count = { passed: 0, missed: 0, "not exported": 0, "not read": 0 };
    for (const name of names.sort()) {
      const cells: string[] = [];
      for (const variant of variants) {
        const cell = await cellOf(folder, name, variant);
        if (cell.kind !== "compared") {
          count[cell.kind]++;
          if (cell.kind === "not read") notes.push(`- ${name}, ${variant}: ${cell.reason}`);
          cells.push(cell.kind);
          continue;
        }
        const passed = cell.output <= bar && cell.gradients <= bar;
        count[passed ? "passed" : "missed"]++;
        if (!passed) notes.push(`- ${name}, ${variant}: outputs differ by ${cell.output.toPrecision(2)}`);
        cells.push(`${cell.gradients.toExponential(0)}${passed ? "" : " (missed)"}`);
      }
      rows.push([name, ...cells]);
    }
    const read = count.passed + count.missed + count["not read"];
    return {
      body: `${count.passed} of ${read} exported files give outputs and gradients within ${bar} of PyTorch's, by the largest number;
${count["not exported"]} PyTorch's exporter refuses. Functions: bench/operators/operators.py. Exporters: TorchScript's with operator set
12, dynamo's with 18 and 23.

${table(["function", ...variants], rows)}

${notes.length > 0 ? `## What misses\n\n${notes.join("\n")}` : ""}`,
      versions,
      failed: count.missed > 0,
    };
  },
});
