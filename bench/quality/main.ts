/**
 * How many faces a second each quality measure judges, one thread, faces in memory; OpenCV's BRISQUE and pyiqa's measures for comparison:
 * `npm run bench -- quality --python PATH --torch PATH` (a Python with opencv-contrib, and one with torch).
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { openData } from "petalface/data";
import { openLoader } from "petalface/images";
import { openMeasure, qualityGraph } from "petalface/quality";
import { secondsOf } from "../export/clock.ts";
import { measures, model } from "../quality-study/plan.ts";
import { shared } from "../skeleton/shared.ts";
import { opencvPeers, pyiqaPeers } from "./peers.ts";

const { values } = parseArgs({
  options: {
    faces: { type: "string", default: "256" },
    rounds: { type: "string", default: "5" },
    python: { type: "string" },
    torch: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results/quality.md") },
  },
});

const backbone = await openBackbone(join(shared, "weights", `${model}.onnx`));
const data = await openData(join(shared, "data/lfw112"));
const count = Number(values.faces);
const rounds = Number(values.rounds);
const faces = Array.from({ length: count }, (_, i) => data.at(Math.floor((i * data.length) / count)));
const loader = openLoader({ size: backbone.size, threads: 1 });
const planes = await loader.load(faces.map(({ source }) => ({ source, flip: false })));
await loader.close();
const face = 3 * backbone.size ** 2;

/** Best of some rounds, faces a second of processor time. Bytes become the network's numbers in it too. */
async function rateOf(spec: string): Promise<number> {
  const { graph, score } = qualityGraph(backbone, await openMeasure(spec));
  const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1 });
  let best = 0;
  for (let round = 0; round <= rounds; round++) {
    const seconds = await secondsOf(async () => {
      for (let start = 0; start < count; start += embedder.batch)
        await embedder.embed(planes.subarray(start * face), Math.min(embedder.batch, count - start));
    });
    // The first round warms up.
    if (round > 0) best = Math.max(best, count / seconds);
  }
  await embedder.close();
  return best;
}

const files = faces.flatMap(({ source }) => (source.kind === "file" ? [source.path] : []));
const rows: { readonly name: string; readonly rate: number }[] = [];
for (const [name, spec] of Object.entries(measures)) rows.push({ name, rate: await rateOf(spec) });
if (values.python !== undefined) rows.push(...opencvPeers(values.python, files, rounds));
if (values.torch !== undefined) rows.push(...pyiqaPeers(values.torch, files, rounds));

const peers = `${values.python ? " --python PYTHON" : ""}${values.torch ? " --torch PYTHON" : ""}`;
const text = `# Speed of quality measures

    npm run bench -- quality --faces ${count} --rounds ${rounds}${peers}

Faces a second of processor time on one thread, 112 px, decoded already; best of ${rounds} rounds over ${count} faces. Of pyiqa the architectures with drawn weights: its own are fetched from sites that are no
package registries.

| measure | faces/s |
| --- | --- |
${rows.map(({ name, rate }) => `| ${name} | ${rate.toFixed(0)} |`).join("\n")}
`;
await writeFile(values.out, text);
console.log(text);
process.exit(0);
