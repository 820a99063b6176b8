/**
 * What one face costs in each form of an adapted model: `npm run bench -- levels --help`.
 */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeModel, type Graph } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { exportedGraph, levelsGraph, loadAdapter } from "petalface/adapters";
import { type Backbone, openBackbone, toInput } from "petalface/backbones";
import { openData } from "petalface/data";
import { contractOf, fitGraph, formFor } from "petalface/deploy";
import { openLoader } from "petalface/images";
import { drawnAdapter } from "../consumers/adapter.ts";
import { shared } from "../faces/plan.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "mobilefacenet,fr_feature,edgeface_xs" },
    runs: { type: "string", default: "" },
    rounds: { type: "string", default: "60" },
    out: { type: "string", default: join(import.meta.dirname, "../results/levels.md") },
    help: { type: "boolean", default: false },
  },
});

const batches = [1, 8];
/** Runs of one form after another in a round; the first is left out. */
const inRound = 8;
/** The share of runs that are faster than the time that is reported: others disturb the slower ones. */
const quantile = 0.1;

if (values.help)
  console.log(`npm run bench -- levels [--models A,B] [--runs RUN,RUN] [--rounds N] [--out FILE]
--models: names of models in the shared data. --runs: a run for each of them; adapters with drawn weights unless given.
--rounds: how often each form gets its turn.`);
else await main();

async function main(): Promise<void> {
  const rows: string[] = [];
  const runs = values.runs === "" ? [] : values.runs.split(",");
  for (const [at, name] of values.models.split(",").entries()) rows.push(...(await measure(name, runs[at])));
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const text = `# What a face costs in each form

    npm run bench -- levels --models ${values.models}${runs.length > 0 ? " --runs RUN,..." : ""}

${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus()[0]?.model.trim()}, one thread, onnxruntime-node with its own options.

The file for uniface in each form: of the frozen model, with a gate in each layer, merged at alpha 0.5, and with alpha in
levels. LFW faces, every second one at 16 px. All forms take turns; time is what ${100 * quantile} % of the runs stay below, as other work ran
on the machine. In brackets: times the frozen model.

| model | batch | frozen | gated | merged | 5 levels | 9 levels |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
  await writeFile(values.out, text);
  console.log(text);
  process.exit(0);
}

async function measure(name: string, run: string | undefined): Promise<string[]> {
  const backbone = await openBackbone(join(shared, "weights", `${name}.onnx`));
  const adapter = run === undefined ? await drawnAdapter(backbone) : await loadAdapter(run, backbone);
  const graphs: [Graph, boolean][] = [
    [{ ...backbone.graph, outputs: [backbone.output] }, false],
    [await exportedGraph(backbone, adapter, "quality"), true],
    [await exportedGraph(backbone, adapter, 0.5), false],
    [await levelsGraph(backbone, adapter, 5), true],
    [await levelsGraph(backbone, adapter, 9), true],
  ];
  const sessions: InferenceSession[] = [];
  for (const [graph, judges] of graphs) {
    const deployed = { ...backbone, graph };
    const file = encodeModel(fitGraph(deployed, formFor(contractOf("uniface"), deployed, judges)));
    sessions.push(await InferenceSession.create(file, { intraOpNumThreads: 1 }));
  }
  const rows: string[] = [];
  for (const batch of batches) {
    const times = await timesOf(sessions, await inputs(backbone, batch), batch);
    const [frozen = Number.NaN] = times;
    const cells = times.map((time) => `${(time / batch).toFixed(2)} ms (${(time / frozen).toFixed(2)})`);
    rows.push(`| ${[name, batch, ...cells].join(" | ")} |`);
    console.error(rows.at(-1));
  }
  for (const session of sessions) await session.release();
  return rows;
}

/** Some batches of faces, sharp and of 16 px in turn. */
async function inputs(backbone: Backbone, batch: number): Promise<Tensor[]> {
  const { size } = backbone;
  const data = await openData(join(shared, "data/lfw112"));
  await using loader = openLoader({ size, threads: 1 });
  const count = Math.max(inRound, batch);
  const planes = await loader.load(
    Array.from({ length: count }, (_, i) => ({
      source: data.at(Math.floor((i * data.length) / count)).source,
      flip: false,
      degrade: i % 2 === 0 ? undefined : ({ kind: "lr", pixels: 16 } as const),
    })),
  );
  const face = 3 * size ** 2;
  const { mean, scale } = contractOf("uniface").feeding;
  return Array.from({ length: Math.floor(count / batch) }, (_, at) => {
    const part = planes.subarray(at * batch * face);
    const { data: numbers } = toInput(part, batch, batch, size, { ...backbone.spec, mean, scale, channels: "rgb" });
    return new Tensor("float32", numbers as Float32Array, [batch, 3, size, size]);
  });
}

/** Milliseconds of a batch in each session. */
async function timesOf(
  sessions: readonly InferenceSession[],
  faces: readonly Tensor[],
  batch: number,
): Promise<number[]> {
  const times = sessions.map((): number[] => []);
  for (let round = 0; round < Math.ceil(Number(values.rounds) / Math.sqrt(batch)); round++)
    for (const [place, session] of sessions.entries())
      for (let i = 0; i < inRound; i++) {
        const begin = process.hrtime.bigint();
        await session.run({ [session.inputNames[0] as string]: faces[i % faces.length] as Tensor });
        if (i > 0) times[place]?.push(Number(process.hrtime.bigint() - begin) / 1e6);
      }
  return times.map((all) => all.sort((a, b) => a - b)[Math.floor(quantile * all.length)] ?? Number.NaN);
}
