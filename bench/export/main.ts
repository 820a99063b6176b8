/**
 * One exported file under three runtimes, and what each deployed form costs: `npm run bench -- export --run RUN --python PATH` compares 1,000 faces with the
 * training side, then speed and accuracy of precisions and levels.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadAdapter } from "petalface/adapters";
import { openBackbone } from "petalface/backbones";
import { openData, subset } from "petalface/data";
import { readPairs } from "petalface/evaluation";
import { openLoader } from "petalface/images";
import { heldOutFolds } from "../faces/plan.ts";
import { shared } from "../skeleton/shared.ts";
import { accuraciesOf, openForms, ratesOf, renderForms } from "./forms.ts";
import { compareRuntimes } from "./runtimes.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: join(shared, "weights/mobilefacenet.onnx") },
    run: { type: "string" },
    faces: { type: "string", default: "1000" },
    folds: { type: "string", default: "1,2" },
    python: { type: "string" },
    levels: { type: "string", default: "9" },
    out: { type: "string", default: join(import.meta.dirname, "../results/export.md") },
  },
});
if (values.run === undefined) throw new Error("--run RUN: a run of petalface adapt, or its adapter folder");

const folder = await mkdtemp(join(tmpdir(), "petalface-export-"));
const backbone = await openBackbone(values.model);
const adapter = await loadAdapter(values.run, backbone);
const batch = 25;
const count = batch * Math.ceil(Number(values.faces) / batch);
const data = await openData(join(shared, "data/lfw112"));
const pairs = join(shared, "data/lfw112_pairs.txt");
const loader = openLoader({ size: backbone.size, threads: 1 });

/** A third of the faces as they are, the others at 16 and 24 px. */
const planes = await loader.load(
  Array.from({ length: count }, (_, i) => ({
    source: data.at(Math.floor((i * data.length) / count)).source,
    flip: false,
    degrade: i % 3 === 0 ? undefined : ({ kind: "lr", pixels: i % 3 === 1 ? 16 : 24 } as const),
  })),
);
const faces = { planes, count, batch };
const rows = await compareRuntimes(folder, backbone, adapter, faces, values.python);
console.error(rows);

const held = new Set((await readPairs(pairs, { folds: heldOutFolds })).people);
const others = subset(data, (_, person) => person !== undefined && !held.has(person));
const examples = subset(
  others,
  Array.from({ length: 128 }, (_, i) => Math.floor((i * others.length) / 128)),
);
const forms = await openForms(folder, backbone, adapter, Number(values.levels), { examples, loader, batch });
const rates = await ratesOf(forms, faces);
console.error(forms.map(({ name }, i) => `${name}: ${rates[i]?.toFixed(1)} faces/s`));
const protocol = await readPairs(pairs, { folds: values.folds.split(",").map(Number) });
const results = await accuraciesOf(forms, { data, pairs: protocol, loader });
for (const { embedder } of forms) await embedder.close();
await loader.close();

const off = (value: number | undefined): string => value?.toExponential(1) ?? "";
const text = `# The exported file

    npm run bench -- export --run RUN --faces ${count} --folds ${values.folds}${values.python ? " --python PYTHON" : ""}

${backbone.spec.name}, gate ${adapter.config.gate}, ${adapter.config.calibration.measure} for quality. One thread, batches of ${batch}; faces a second of processor time.

## Under three runtimes

${count} LFW faces, a third as they are, a third at 16 px, a third at 24 px. Differences from the training side are the largest of any number, over the largest number.

| runtime | faces/s | embedding | alpha |
| --- | --- | --- | --- |
${rows.map((row) => `| ${row.name} | ${row.rate.toFixed(0)} | ${off(row.embedding)} | ${off(row.alpha)} |`).join("\n")}

## Forms

The same faces, all forms in turn, the median batch. Accuracy on ${protocol.name}: HR sharp, LR 16 both faces at 16 px, mix 16 sharp against 16 px, rank-1 of 16 px probes in a sharp gallery; in brackets the
difference from the gated form in float32, in points, with its paired 95 % interval. Ranges of int8 are from 128 faces of people outside folds 1 to 6. MB: all files of the form.

${renderForms(forms, rates, results).join("\n")}
`;
await writeFile(values.out, text);
await rm(folder, { recursive: true, force: true });
console.log(text);
process.exit(0);
