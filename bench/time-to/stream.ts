/** What petalface prepares for the peer: the images of every step, their alphas and targets. */
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { initialTheta, layoutOf, loadAdapter } from "petalface/adapters";
import { openEmbedder } from "petalface/backbones";
import { openLoader } from "petalface/images";
import { takeRows } from "petalface/matching";
import { openMeasure, qualityGraph } from "petalface/quality";
import { anchorFaces, anchorsOfStep, sampler, type TrainingOptions, trainingOptions } from "petalface/training";
import { fillTargets, openTargetFile } from "../faces/kept.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { modelFile, openShared } from "../skeleton/shared.ts";

/** Steps whose images are written at a time. */
const group = 50;

/**
 * Writes the images that a training sees, as they are after decoding, mirroring and degrading, with
 * the alpha and the target of each; the anchors; and the adapter's first numbers. So the peer has
 * the same training but for decoding, degrading, judging and the frozen network, which it is
 * spared.
 *
 * @param ours a finished training of petalface with the same recipe, which alpha's range is from
 */
export async function writeStream(ours: Job, images: number, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { contender, seed, threads, frozen = folder } = ours;
  const options = trainingOptions({ ...contender.options, seed });
  const backbone = await openShared(ours.model);
  const { config } = await loadAdapter(join(ours.folder, "run"), backbone);
  const data = await trainingFaces();
  const { size, width, spec } = backbone;
  const kept = await openTargetFile(frozen, backbone, data);
  await fillTargets(kept.cache, backbone, data, threads);
  await kept.save();
  const { rows } = kept.cache;
  const layout = layoutOf(backbone, config);
  const anchors = anchorFaces({ options, data });
  const draws = Array.from({ length: Math.ceil(images / options.batch) }, (_, step) => step).flatMap(
    sampler(options, data.length),
  );
  const write = (name: string, values: Float32Array | Int32Array): Promise<void> =>
    writeFile(join(folder, name), values);
  const numbers = (faces: readonly number[]): Int32Array =>
    Int32Array.from(faces.flatMap((face) => [face, data.at(face).person]));
  await write("theta.f32", await initialTheta(backbone, layout, seed, options.loraInit));
  await write(
    "anchors.f32",
    takeRows(
      rows,
      width,
      anchors.map((face) => 2 * face),
    ),
  );
  await write("anchors.i32", numbers(anchors));
  await write(
    "targets.f32",
    takeRows(
      rows,
      width,
      draws.map(({ index, flip }) => 2 * index + Number(flip)),
    ),
  );
  await write("faces.i32", numbers(draws.map(({ index }) => index)));

  const { calibration } = config;
  const judge = qualityGraph(backbone, await openMeasure(calibration.measure), calibration);
  const output = judge.alpha ?? judge.score;
  const judged = await openEmbedder({ ...backbone, graph: judge.graph, output, width: 1 }, { threads });
  await using loader = openLoader({ size, threads: 1 });
  const alphas = new Float32Array(draws.length);
  const file = await open(join(folder, "pixels.part"), "w");
  const face = 3 * size * size;
  for (let start = 0; start < draws.length; start += group * options.batch) {
    const part = draws.slice(start, start + group * options.batch);
    const pixels = await loader.load(part.map((draw) => ({ ...draw, source: data.at(draw.index).source })));
    for (let row = 0; row < part.length; row += judged.batch) {
      const count = Math.min(judged.batch, part.length - row);
      const found = await judged.embed(pixels.subarray(row * face, (row + count) * face), count);
      alphas.set(found.data.subarray(0, count), start + row);
    }
    await file.write(pixels);
  }
  await file.close();
  await judged.close();
  await write("alphas.f32", alphas);
  const { mean, scale, channels } = spec;
  const described = {
    ...{ model: modelFile(ours.model), size, width, mean, scale, channels, images: draws.length },
    ...{ rank: config.rank, factor: config.scale, batch: options.batch },
    slots: layout.slots.map(({ of, role, dims, offset, length }) => ({ of, role, dims, offset, length })),
    anchors: { count: anchors.length, added: anchorsOfStep(0, anchors.length) },
    recipe: recipeOfPeer(options),
  };
  await writeFile(join(folder, "spec.json"), JSON.stringify(described));
  // Last: a stream that is there is whole.
  await rename(join(folder, "pixels.part"), join(folder, "pixels.u8"));
}

/** The options that the peer's program reads. */
const recipeOfPeer = ({ distilWeight, anchorScale, anchorWeight, weightDecay, clip }: TrainingOptions) => ({
  ...{ distilWeight, anchorScale, anchorWeight, weightDecay, clip },
});

/**
 * How many targets a training has computed after its first steps, anchors among them: the frozen
 * network embeds each face once, and its mirror image.
 */
export function targetsAfter(options: TrainingOptions, faces: number, steps: number): number {
  const anchors = anchorFaces({ options, data: { length: faces } });
  const seen = new Set(anchors.slice(0, anchorsOfStep(steps - 1, anchors.length)).map((face) => 2 * face));
  const draw = sampler(options, faces);
  for (let step = 0; step < steps; step++) for (const { index, flip } of draw(step)) seen.add(2 * index + Number(flip));
  return seen.size;
}
