/**
 * Exports single functions from PyTorch and compares our gradients with PyTorch's:
 * `npm run bench -- operators --help`. Exits with 1 if one that can be read disagrees.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makePython, pythonVersions } from "../networks/python.ts";
import { compareOperator } from "./compare.ts";

const variants = ["ts12", "dynamo18", "dynamo23"] as const;

/** Outputs and gradients may be this far apart, by the largest number. */
const bar = 1e-3;

const { values } = parseArgs({
  options: {
    work: { type: "string", default: join(tmpdir(), "petalface-bench-networks") },
    python: { type: "string", default: "python3" },
    files: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results/operators.md") },
    help: { type: "boolean", default: false },
  },
});

/** One function in one variant: how far apart, or why there is nothing to compare. */
type Cell =
  | { readonly kind: "compared"; readonly output: number; readonly gradients: number }
  | { readonly kind: "not exported" | "not read"; readonly reason: string };

if (values.help) {
  console.log(`npm run bench -- operators [--work FOLDER] [--python PROGRAM] [--files FOLDER] [--out FILE]
--work, --python: as for networks, with which the Python environment (6 GB) is shared.
--files: compare what export.py has written to a folder before; needs no Python.`);
} else await all(values.files ?? (await exportAll()));

async function exportAll(): Promise<string> {
  const interpreter = await makePython(join(values.work, "python"), values.python);
  const folder = join(values.work, "operators");
  const { status } = spawnSync(interpreter, [join(import.meta.dirname, "export.py"), folder], { stdio: "inherit" });
  if (status !== 0) throw new Error("export.py failed");
  return folder;
}

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

async function all(folder: string): Promise<void> {
  const files = await readdir(folder);
  const names = files.flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -5)] : [])).sort();
  const rows: string[] = [];
  const notes: string[] = [];
  const count = { passed: 0, missed: 0, notExported: 0, notRead: 0 };
  for (const name of names) {
    const cells: string[] = [];
    for (const variant of variants) {
      const cell = await cellOf(folder, name, variant);
      if (cell.kind !== "compared") {
        count[cell.kind === "not read" ? "notRead" : "notExported"]++;
        if (cell.kind === "not read") notes.push(`- ${name}, ${variant}: ${cell.reason}`);
        cells.push(cell.kind);
        continue;
      }
      const passed = cell.output <= bar && cell.gradients <= bar;
      count[passed ? "passed" : "missed"]++;
      if (!passed) notes.push(`- ${name}, ${variant}: outputs differ by ${cell.output.toPrecision(2)}`);
      cells.push(`${cell.gradients.toExponential(0)}${passed ? "" : " (missed)"}`);
    }
    rows.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  const versions = (await pythonVersions()).filter((version) => /^(torch|onnx|onnxscript) /.test(version));
  const text = `# Gradients of single functions against PyTorch's

    npm run bench -- operators

${count.passed} of ${count.passed + count.missed + count.notRead} exported files give outputs and gradients within ${bar} of PyTorch's, by the largest
number; ${count.notExported} PyTorch's exporter refuses. Functions: bench/operators/operators.py. Exporters: TorchScript's with operator set 12, dynamo's with 18 and 23.
${versions.join(", ")}, node ${process.versions.node}.

| function | ${variants.join(" | ")} |
| --- | ${variants.map(() => "---").join(" | ")} |
${rows.join("\n")}

${notes.length > 0 ? `## What misses\n\n${notes.join("\n")}\n` : ""}`;
  await writeFile(values.out, text);
  console.log(text);
  if (count.missed > 0) process.exitCode = 1;
}
