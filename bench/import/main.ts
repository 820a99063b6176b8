/**
 * The full-size Swin from a checkpoint to embeddings, every step a command of its own: `npm run bench -- import --help`. Prints and records
 * the time and the peak memory of each.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { itemAt } from "onnx-grad";
import { shared } from "../skeleton/shared.ts";

const here = import.meta.dirname;
const { values } = parseArgs({
  options: {
    network: { type: "string", default: "swin_256new_iqa" },
    batch: { type: "string", default: "8" },
    peft: { type: "string" },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-import") },
    out: { type: "string", default: join(here, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- import [--network NAME] [--batch N] [--peft PYTHON] [--work FOLDER] [--out FOLDER]
--peft: a Python with torch, safetensors and peft, which loads an exported adapter; left out unless given.
Needs the shared oracle, Linux, and 5 GB in a folder of its own under --work, which is removed at the end.`);
  process.exit(0);
}

interface Row {
  readonly what: string;
  readonly command: string;
  readonly seconds: number;
  /** Bytes. */
  readonly peak: number;
}

const cli = join(here, "../../packages/petalface/src/cli/main.ts");
const work = join(values.work, String(process.pid));
const rows: Row[] = [];
const load = itemAt(loadavg(), 0);

/** Runs one command of the command line and notes what it took; its document. */
async function measure(what: string, args: readonly string[]): Promise<Record<string, unknown>> {
  const peakFile = join(work, "peak");
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", join(here, "peak.ts"), cli, ...args, "--json"],
    { cwd: work, encoding: "utf8", env: { ...process.env, PEAK_FILE: peakFile }, maxBuffer: 2 ** 28 },
  );
  if (status !== 0) throw new Error(`petalface ${args.join(" ")}: ${stderr}`);
  const row = {
    what,
    command: args.join(" "),
    seconds: (performance.now() - begin) / 1000,
    peak: Number(await readFile(peakFile, "utf8")),
  };
  rows.push(row);
  console.error(`${what}: ${row.seconds.toFixed(1)} s, peak ${(row.peak / 1e6).toFixed(0)} MB`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

await mkdir(work, { recursive: true });
try {
  let bytes = 0;
  let imported: Record<string, unknown> = {};
  for (const file of ["model.safetensors", "model.pt"]) {
    execFileSync(process.execPath, [join(here, "checkpoint.ts"), values.network, join(work, file)]);
    bytes = (await stat(join(work, file))).size;
    const what = `import, ${file.endsWith(".pt") ? "PyTorch" : "safetensors"}`;
    imported = await measure(what, [
      "import",
      file,
      "--arch",
      values.network,
      "--out",
      "model.onnx",
      "--adapter-out",
      "reference",
    ]);
    await rm(join(work, file));
  }
  const faces = `synthetic:people=${Math.ceil(Number(values.batch) / 2)},images=2,seed=1`;
  const layers = "*.attn.qkv,feature*";
  await measure("adapt, one step", [
    ...["adapt", "--model", "model.onnx", "--train", faces, "--batch", values.batch, "--epochs", "1"],
    ...["--gate", "twin", "--rank", "16", "--sites", layers, "--alpha-range", "2.5,4.1", "--out", "run"],
  ]);
  await measure("export, judging alpha itself", [
    "export",
    "--model",
    "model.onnx",
    "--adapter",
    "run",
    "--out",
    "face.onnx",
  ]);
  await measure(`embed ${values.batch} faces`, [
    "embed",
    "--model",
    "face.onnx",
    "--images",
    faces,
    "--out",
    "faces.npy",
  ]);
  const page = render(bytes, imported) + (values.peft === undefined ? "" : loadedByPeft(values.peft));
  console.log(page);
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, "import.md"), page);
} finally {
  await rm(work, { recursive: true, force: true });
}

/** Exports the adapter of the oracle's small checkpoint and lets PEFT embed with it; a sentence. */
function loadedByPeft(python: string): string {
  const folder = join(shared, "oracle/formats/checkpoints");
  const checkpoint = join(folder, "standard.pt");
  const run = (...args: string[]) => execFileSync(process.execPath, [cli, ...args], { cwd: work, stdio: "pipe" });
  const arch = "vit:image=27,patch=9,dim=16,depth=2,heads=2";
  run("import", checkpoint, "--arch", arch, "--out", "small.onnx", "--adapter-out", "small");
  run("export", "--model", "small.onnx", "--adapter", "small", "--as", "peft", "--out", "peft");
  const args = [join(here, "load_peft.py"), checkpoint, join(folder, "io.safetensors"), join(work, "peft")];
  const said = JSON.parse(execFileSync(python, args, { encoding: "utf8" })) as Record<string, string | number>;
  return `
\`export --as peft\`: PEFT ${said.peft} (torch ${said.torch}) with the exported twin adapter of the oracle's \`standard.pt\`, weighted by each image's alpha, gives the
released code's embeddings within ${Number(said.error).toExponential(1)} (relative).
`;
}

function render(bytes: number, { architecture, parameters }: Record<string, unknown>): string {
  const lines = rows.map(
    ({ what, command, seconds, peak }) =>
      `| ${what} | ${seconds.toFixed(1)} | ${(peak / 1e6).toFixed(0)} | \`${command}\` |`,
  );
  return `# A full-size network from checkpoint to embeddings

    npm run bench -- import

\`${values.network}\` by the oracle's formula (${String(architecture)}): ${Number(parameters).toLocaleString("en")} parameters, a checkpoint of
${(bytes / 1e6).toFixed(0)} MB. ${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}. Peak is resident memory, the mapped weights included.
Load average of the machine when it began: ${load.toFixed(1)}; above ${cpus().length} others were at work too, and the times are too long.

| step | seconds | peak, MB | petalface ... |
| --- | --- | --- | --- |
${lines.join("\n")}
`;
}
