/** How many faces a second each quality measure judges, one thread, faces in memory; OpenCV's BRISQUE beside ours: `npm run bench -- quality --python PATH`. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openBackbone, openData, openEmbedder, openLoader, openMeasure, qualityGraph } from "petalface";
import { shared } from "../faces/plan.ts";
import { measures, model } from "../quality-study/plan.ts";

const { values } = parseArgs({
  options: {
    faces: { type: "string", default: "256" },
    rounds: { type: "string", default: "3" },
    python: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results/quality.md") },
  },
});

const backbone = await openBackbone(join(shared, "weights", `${model}.onnx`));
const data = await openData(join(shared, "data/lfw112"));
const count = Number(values.faces);
const faces = Array.from({ length: count }, (_, i) => data.at(Math.floor((i * data.length) / count)));
const loader = openLoader({ size: backbone.size, threads: 1 });
const planes = await loader.load(faces.map(({ source }) => ({ source, flip: false })));
await loader.close();
const face = 3 * backbone.size ** 2;

/** Best of some rounds, faces a second. */
async function rateOf(spec: string): Promise<number> {
  const { graph, score } = qualityGraph(backbone, await openMeasure(spec));
  const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1 });
  let best = 0;
  for (let round = 0; round <= Number(values.rounds); round++) {
    const started = performance.now();
    for (let start = 0; start < count; start += embedder.batch)
      await embedder.embed(planes.subarray(start * face), Math.min(embedder.batch, count - start));
    // The first round warms up.
    if (round > 0) best = Math.max(best, (1000 * count) / (performance.now() - started));
  }
  await embedder.close();
  return best;
}

const rows: string[] = [];
for (const [name, spec] of Object.entries(measures)) rows.push(`| ${name} | ${(await rateOf(spec)).toFixed(0)} |`);

if (values.python !== undefined) {
  const program = `
import cv2, sys, time
cv2.setNumThreads(1)
model, ranges, *files = sys.argv[1:]
images = [cv2.imread(file) for file in files]
judge = cv2.quality.QualityBRISQUE_create(model, ranges)
def rate():
    begin = time.perf_counter()
    for image in images: judge.compute(image)
    return len(images) / (time.perf_counter() - begin)
print(cv2.__version__, max(rate() for _ in range(${values.rounds})))`;
  const weights = ["brisque_model_live.yml", "brisque_range_live.yml"].map((name) => join(shared, "weights", name));
  const files = faces.flatMap(({ source }) => (source.kind === "file" ? [source.path] : []));
  const [version, rate] = execFileSync(values.python, ["-c", program, ...weights, ...files], {
    encoding: "utf8",
  }).split(" ");
  rows.push(`| OpenCV ${version}, BRISQUE | ${Number(rate).toFixed(0)} |`);
}
const text = `# Speed of quality measures

    npm run bench -- quality --faces ${values.faces} --rounds ${values.rounds}${values.python ? " --python PYTHON" : ""}

Faces a second on one thread, 112 px, decoded already; best of ${values.rounds} rounds over ${count} faces. Load of the machine meanwhile: ${loadavg()[0]?.toFixed(1)} on ${process.env.NUMBER_OF_PROCESSORS ?? "2"} cores.

| measure | faces/s |
| --- | --- |
${rows.join("\n")}
`;
await writeFile(values.out, text);
console.log(text);
process.exit(0);
