import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { flags, inProcess, petalface } from "../skeleton/children.ts";
import { addRow, megabytes, table, whole } from "../skeleton/page.ts";
import type { Python } from "../skeleton/python.ts";
import { shared } from "../skeleton/shared.ts";
import { writeCheckpoints } from "./checkpoint.ts";

export default defineBenchmark({
  name: "import",
  title: "A full-size network from checkpoint to embeddings",
  measures: "Time and memory of importing, adapting, exporting and embedding with an 861 MB checkpoint.",
  minutes: 5,
  needs: "the shared oracle, 5 GB of disk",
  requirements: "networks",
  options: {
    network: { help: "a full-size transformer of the oracle that has adapters", default: "swin_256new_iqa" },
    batch: { help: "faces of the step, and to embed", default: 8 },
  },
  async run({ network, batch }, { work, python }) {
    const rows: string[][] = [];
    const measure = async (what: string, args: readonly string[]): Promise<Readonly<Record<string, unknown>>> => {
      const { value, seconds, peak } = await petalface(args, { cwd: work });
      addRow(rows, [what, seconds.toFixed(1), megabytes(peak), `\`${args.join(" ")}\``]);
      return value;
    };
    const files = ["model.safetensors", "model.pt"] as const;
    await inProcess("import", { network, torch: join(work, files[1]), safetensors: join(work, files[0]) });
    const { size: bytes } = await stat(join(work, files[1]));
    let imported: Readonly<Record<string, unknown>> = {};
    for (const file of files) {
      const into = flags({ arch: network, out: "model.onnx", "adapter-out": "reference" });
      const what = `import, ${file.endsWith(".pt") ? "PyTorch" : "safetensors"}`;
      imported = await measure(what, ["import", file, ...into]);
      await rm(join(work, file));
    }
    const faces = `synthetic:people=${Math.ceil(batch / 2)},images=2,seed=1`;
    const adapter = { gate: "twin", rank: 16, sites: "*.attn.qkv,feature*", "alpha-range": "2.5,4.1", out: "run" };
    const step = flags({ model: "model.onnx", train: faces, batch, epochs: 1, ...adapter });
    await measure("adapt, one step", ["adapt", ...step]);
    const exported = flags({ model: "model.onnx", adapter: "run", out: "face.onnx" });
    await measure("export, judging alpha itself", ["export", ...exported]);
    const embedded = flags({ model: "face.onnx", images: faces, out: "faces.npy" });
    await measure(`embed ${batch} faces`, ["embed", ...embedded]);
    const peft = await python();
    return {
      body: `\`${network}\` with drawn weights (${imported.architecture}): ${whole(Number(imported.parameters))} parameters, a checkpoint of
${megabytes(bytes)} MB. Peak is resident memory, the mapped weights included.

${table(["step", "seconds", "peak, MB", "petalface ..."], rows)}

${peft === undefined ? "" : await loadedByPeft(peft, work)}`,
    };
  },
  job: ({ network, torch, safetensors }: Readonly<Record<"network" | "torch" | "safetensors", string>>) =>
    writeCheckpoints(network, torch, safetensors),
});

/** Exports the adapter of the oracle's small checkpoint and lets PEFT embed with it; a sentence. */
async function loadedByPeft(python: Python, work: string): Promise<string> {
  const folder = join(shared, "oracle/formats/checkpoints");
  const checkpoint = join(folder, "standard.pt");
  const run = (...args: string[]) => petalface(args, { cwd: work });
  const arch = "vit:image=27,patch=9,dim=16,depth=2,heads=2";
  await run("import", checkpoint, ...flags({ arch, out: "small.onnx", "adapter-out": "small" }));
  await run("export", ...flags({ model: "small.onnx", adapter: "small", as: "peft", out: "peft" }));
  const program = join(import.meta.dirname, "load_peft.py");
  const args = [program, checkpoint, join(folder, "io.safetensors"), join(work, "peft")];
  const { peft, torch, error } = python.json<Record<string, string | number>>(args);
  return `\`export --as peft\`: PEFT ${peft} (torch ${torch}) with the exported twin adapter of the oracle's \`standard.pt\`, weighted
by each image's alpha, gives the released code's embeddings within ${Number(error).toExponential(1)} (relative).`;
}
