import { join } from "node:path";
import { openEmbedder } from "petalface/backbones";
import { openMeasure, qualityGraph } from "petalface/quality";
import { measures, model } from "../quality-study/plan.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { loadPlanes, somePhotos } from "../skeleton/faces.ts";
import { table } from "../skeleton/page.ts";
import type { Python } from "../skeleton/python.ts";
import { openShared, shared } from "../skeleton/shared.ts";
import { processorSeconds } from "../skeleton/turns.ts";

export default defineBenchmark({
  name: "quality",
  title: "Speed of quality measures",
  measures: "Faces a second of each quality measure, against OpenCV's BRISQUE and pyiqa.",
  minutes: 2,
  needs: "the shared photos and weights",
  requirements: "quality",
  options: {
    faces: { help: "faces that are judged", default: 256 },
    rounds: { help: "rounds of which the best counts", default: 5 },
  },
  async run({ faces: count, rounds }, { work, python }) {
    const backbone = await openShared(model);
    const photos = await somePhotos(count);
    const planes = await loadPlanes(backbone.size, photos);
    const face = 3 * backbone.size ** 2;
    /**
     * Best of the rounds, faces a second of processor time. Bytes become the network's numbers in
     * it too.
     */
    const rateOf = async (spec: string): Promise<number> => {
      const { graph, score } = qualityGraph(backbone, await openMeasure(spec));
      const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1 });
      const round = () =>
        processorSeconds(async () => {
          for (let start = 0; start < count; start += embedder.batch)
            await embedder.embed(planes.subarray(start * face), Math.min(embedder.batch, count - start));
        });
      // The first round warms up.
      await round();
      const seconds: number[] = [];
      for (let at = 0; at < rounds; at++) seconds.push(await round());
      await embedder.close();
      return count / Math.min(...seconds);
    };
    const rows: string[][] = [];
    for (const [name, spec] of Object.entries(measures)) rows.push([name, (await rateOf(spec)).toFixed(0)]);
    const files = photos.flatMap(({ source }) => (source.kind === "file" ? [source.path] : []));
    const peers = await python();
    if (peers !== undefined) rows.push(...peerRates(peers, work, String(rounds), files));
    return {
      body: `Faces a second of processor time on one thread, 112 px, decoded already; best of ${rounds} rounds over ${count} faces. Of pyiqa the
architectures with drawn weights: its own are fetched from sites that are no package registries.

${table(["measure", "faces/s"], rows)}`,
      versions: peers?.versions ?? [],
    };
  },
});

/** What pyiqa's two measures import; not its other dependencies, which train and download. */
const packages = ["pyiqa", "opencv-python-headless", "requests", "urllib3", "certifi", "scipy"];

/** Other projects' measures on one thread. pyiqa goes into a folder that is thrown away. */
function peerRates(python: Python, work: string, rounds: string, files: readonly string[]): string[][] {
  const here = (program: string): string => join(import.meta.dirname, program);
  const brisque = ["brisque_model_live.yml", "brisque_range_live.yml"].map((name) => join(shared, "weights", name));
  const pyiqa = join(work, "pyiqa");
  python.run(["-m", "pip", "install", "--quiet", "--no-deps", "--target", pyiqa, ...packages]);
  const text = [
    python.run([here("opencv.py"), rounds, ...brisque, ...files], { OMP_NUM_THREADS: "1" }),
    python.run([here("pyiqa_rates.py"), rounds, ...files], { OMP_NUM_THREADS: "1", PYTHONPATH: pyiqa }),
  ].join("\n");
  const lines = text.split("\n").filter((line) => line.includes("\t"));
  return lines.map((line) => {
    const [name = "", rate = ""] = line.split("\t");
    return [name, Number(rate).toFixed(0)];
  });
}
