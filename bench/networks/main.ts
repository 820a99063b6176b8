import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { type Comparison, compareModel, readReference } from "./compare.ts";
import { misses, type Row, renderNetworks } from "./table.ts";

const networks = [
  "swin_tiny_patch4_window7_224",
  "vit_small_patch16_224",
  "convnext_atto",
  "resnet18",
  "mobilenetv3_small_100",
  "mobilenetv3_large_100",
  "edgenext_xx_small",
];

/** One exported file, and the network that it is of. */
interface Task {
  readonly folder: string;
  readonly file: string;
  readonly network: string;
}

const referenceOf = (folder: string, network: string) => readReference(join(folder, `${network}.safetensors`));

export default defineBenchmark({
  name: "networks",
  title: "Gradients of timm's networks against PyTorch's",
  measures: "How far features and gradients of seven of timm's networks are from PyTorch's.",
  minutes: 30,
  keeps: true,
  requirements: "networks",
  options: {
    networks: { help: "names of timm", default: networks },
    variants: { help: "exporters", default: ["ts", "ts-1", "dynamo", "dynamo-1"] },
  },
  async run({ networks: names, variants }, { work: folder, needPython }) {
    const python = await needPython();
    const rows: Row[] = [];
    for (const network of names) {
      for (const program of ["export.py", "reference.py"]) {
        await mkdir(folder, { recursive: true });
        python.run([join(import.meta.dirname, program), network, folder]);
      }
      await rm(join(folder, "part"), { recursive: true, force: true });
      const reference = await referenceOf(folder, network);
      for (const variant of variants) {
        const file = `${network}-${variant}`;
        // One that brings the engine down is a row like others.
        const result = await inProcess<Comparison>("networks", { folder, file, network }).then(
          ({ value }) => value,
          (error: Error) => new Error(error.message.replaceAll(`${folder}/`, "")),
        );
        const row = { file, reference, result };
        rows.push(row);
        console.error(`${file}: ${misses(row).join("; ") || "passes"}`);
      }
    }
    const failed = rows.some((row) => misses(row).length > 0);
    return { body: renderNetworks(rows), versions: python.versions, failed };
  },
  job: async ({ folder, file, network }: Task) =>
    compareModel(join(folder, `${file}.onnx`), file, await referenceOf(folder, network)),
});
