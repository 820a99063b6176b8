import type { Graph } from "onnx-grad";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { exportedGraph, levelsGraph, loadAdapter } from "petalface/adapters";
import { type Backbone, toInput } from "petalface/backbones";
import { contractOf, fitGraph, formFor } from "petalface/deploy";
import { drawnAdapter } from "../consumers/adapter.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { loadPlanes, somePhotos } from "../skeleton/faces.ts";
import { addRow, table } from "../skeleton/page.ts";
import { openPlain } from "../skeleton/sessions.ts";
import { openShared } from "../skeleton/shared.ts";

const batches = [1, 8];
/** Runs of one form after another in a round; the first is left out. */
const inRound = 8;

export default defineBenchmark({
  name: "levels",
  title: "What a face costs in each form",
  measures: "Time of one face and of eight in the exported forms of an adapted model.",
  minutes: 3,
  needs: "the shared photos and weights",
  options: {
    models: { help: "names among the shared weights", default: ["mobilefacenet", "fr_feature", "edgeface_xs"] },
    runs: { help: "a run for each of them; adapters with drawn weights unless given", default: [] as string[] },
    rounds: { help: "how often each form gets its turn", default: 60 },
  },
  async run({ models, runs, rounds }) {
    const rows: string[][] = [];
    for (const [at, name] of models.entries()) rows.push(...(await measure(name, runs[at], rounds)));
    return {
      body: `
The file for uniface in each form: of the frozen model, with a gate in each layer, merged at alpha 0.5, and with alpha in levels.
onnxruntime-node with its own options, one thread. LFW faces, every second one at 16 px. All forms take turns, ${inRound} runs one after
another. The time of a face is that of the fastest run: other work on the machine disturbs the others. In brackets: times the frozen model.

${table(["model", "batch", "frozen", "gated", "merged", "5 levels", "9 levels"], rows)}
`,
    };
  },
});

async function measure(name: string, run: string | undefined, rounds: number): Promise<string[][]> {
  const backbone = await openShared(name);
  const adapter = run === undefined ? await drawnAdapter(backbone) : await loadAdapter(run, backbone);
  const graphs: [Graph, boolean][] = [
    [{ ...backbone.graph, outputs: [backbone.output] }, false],
    [await exportedGraph(backbone, adapter, "quality"), true],
    [await exportedGraph(backbone, adapter, 0.5), false],
    [await levelsGraph(backbone, adapter, 5), true],
    [await levelsGraph(backbone, adapter, 9), true],
  ];
  const sessions = await openPlain(
    graphs.map(([graph, judges]) => {
      const deployed = { ...backbone, graph };
      return fitGraph(deployed, formFor(contractOf("uniface"), deployed, judges));
    }),
  );
  const rows: string[][] = [];
  for (const batch of batches) {
    const times = await timesOf(sessions, await inputs(backbone, batch), batch, rounds);
    const [frozen = Number.NaN] = times;
    const cells = times.map((time) => `${(time / batch).toFixed(2)} ms (${(time / frozen).toFixed(2)})`);
    addRow(rows, [name, String(batch), ...cells]);
  }
  for (const session of sessions) await session.release();
  return rows;
}

/** Some batches of faces, sharp and of 16 px in turn. */
async function inputs(backbone: Backbone, batch: number): Promise<Tensor[]> {
  const { size } = backbone;
  const count = Math.max(inRound, batch);
  const planes = await loadPlanes(size, await somePhotos(count, (at) => (at % 2 === 0 ? undefined : 16)));
  const face = 3 * size ** 2;
  const { mean, scale } = contractOf("uniface").feeding;
  return Array.from({ length: Math.floor(count / batch) }, (_, at) => {
    const part = planes.subarray(at * batch * face);
    const { data: numbers } = toInput(part, batch, batch, size, { ...backbone.spec, mean, scale, channels: "rgb" });
    return new Tensor("float32", numbers, [batch, 3, size, size]);
  });
}

/** Milliseconds of a batch in each session. */
async function timesOf(
  sessions: readonly InferenceSession[],
  faces: readonly Tensor[],
  batch: number,
  rounds: number,
): Promise<number[]> {
  const times = sessions.map((): number[] => []);
  for (let round = 0; round < Math.ceil(rounds / Math.sqrt(batch)); round++)
    for (const [place, session] of sessions.entries())
      for (let i = 0; i < inRound; i++) {
        const begin = process.hrtime.bigint();
        await session.run({ [session.inputNames[0]]: faces[i % faces.length] });
        if (i > 0) times[place]?.push(Number(process.hrtime.bigint() - begin) / 1e6);
      }
  return times.map((all) => Math.min(...all));
}
