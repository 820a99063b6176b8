/**
 * Exports timm's networks from PyTorch and compares our features and gradients with PyTorch's:
 * `npm run bench -- networks --help`. Every file is compared in a process of its own. Exits with 1
 * if a bar is missed.
 */
import { fork } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Comparison, compareModel, readReference } from "./compare.ts";
import { makePython, pythonVersions, runPython } from "./python.ts";
import { misses, type Row, renderNetworks } from "./table.ts";

const networks = [
  "swin_tiny_patch4_window7_224",
  "vit_small_patch16_224",
  "convnext_atto",
  "resnet18",
  "mobilenetv3_small_100",
  "mobilenetv3_large_100",
  "edgenext_xx_small",
] as const;
const variants = ["ts", "ts-1", "dynamo", "dynamo-1"] as const;

const { values } = parseArgs({
  options: {
    networks: { type: "string", default: networks.join(",") },
    variants: { type: "string", default: variants.join(",") },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-networks") },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: join(import.meta.dirname, "../results/networks.md") },
    job: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

/** What a child process reports. */
type Report = { readonly result: Comparison } | { readonly error: string };

if (values.help) {
  console.log(
    `npm run bench -- networks [--networks A,B] [--variants ts,ts-1,dynamo,dynamo-1] [--work FOLDER] [--python PROGRAM] [--out FILE]
--work: where the Python environment (6 GB) and the exported networks are kept (in the system's temporary folder unless given).
--python: Python 3.11 or later that the environment is made from.`,
  );
} else if (values.job === undefined) await all();
else process.send?.(await one(values.job));

/** In a child process: one file, as a name in the folder of networks. */
async function one(file: string): Promise<Report> {
  const folder = join(values.work, "networks");
  const network = networks.find((name) => file.startsWith(`${name}-`)) ?? file;
  try {
    const reference = await readReference(join(folder, `${network}.safetensors`));
    return { result: await compareModel(join(folder, `${file}.onnx`), file, reference) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { error: text.replaceAll(`${folder}/`, "") };
  }
}

async function all(): Promise<void> {
  const interpreter = await makePython(join(values.work, "python"), values.python);
  const folder = join(values.work, "networks");
  await mkdir(folder, { recursive: true });
  const rows: Row[] = [];
  for (const network of values.networks.split(",")) {
    runPython(interpreter, "export.py", [network, folder]);
    runPython(interpreter, "reference.py", [network, folder]);
    await rm(join(folder, "part"), { recursive: true, force: true });
    const reference = await readReference(join(folder, `${network}.safetensors`));
    for (const variant of values.variants.split(",")) {
      const file = `${network}-${variant}`;
      const report = await start(file);
      const row = { file, reference, result: "error" in report ? new Error(report.error) : report.result };
      rows.push(row);
      console.error(`${file}: ${misses(row).join("; ") || "passes"}`);
    }
  }
  const command = (["networks", "variants"] as const)
    .filter((name) => process.argv.includes(`--${name}`))
    .map((name) => ` --${name} ${values[name]}`);
  const versions = [...(await pythonVersions()), `node ${process.versions.node}`];
  const text = renderNetworks(rows, command.join(""), versions);
  await writeFile(values.out, text);
  console.log(text);
  if (rows.some((row) => misses(row).length > 0)) process.exitCode = 1;
}

/**
 * Compares one file in a process of its own, so that one that brings the engine down is a row like
 * others.
 */
function start(file: string): Promise<Report> {
  return new Promise((resolve) => {
    const child = fork(import.meta.filename, ["--job", file, "--work", values.work]);
    let report: Report = { error: "its process ended without a result" };
    child.on("message", (message) => {
      report = message as Report;
    });
    child.on("exit", () => resolve(report));
  });
}
