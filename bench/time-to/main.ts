import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { trainingOptions } from "petalface/training";
import { runAll } from "../faces/jobs.ts";
import { type Contender, choiceFolds } from "../faces/plan.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { UsageError } from "../skeleton/usage-error.ts";
import { cosinesOf } from "./measure.ts";
import { firstLosses, isPeers, trainPeer } from "./peer.ts";
import { contenders, model, reference } from "./plan.ts";
import { measureSpeed, type Speed } from "./speed.ts";
import { targetsAfter, writeStream } from "./stream.ts";
import { type Reached, renderTimeTo } from "./table.ts";

/** Steps whose losses are compared between the two programs. */
const compared = 50;

export default defineBenchmark({
  name: "time-to",
  title: "Time to accuracy",
  measures: "Minutes until a long training's validation cosine and mixed accuracy are reached, against PyTorch + PEFT.",
  minutes: 50,
  needs: "the shared photos and weights, Linux",
  keeps: true,
  requirements: "networks",
  options: {
    images: { help: "lengths of petalface's trainings, in images", default: [1600, 4800, 9600, 25600] },
    "peer-images": { help: "the same of PyTorch's, some of them", default: [1600, 4800, 9600, 25600] },
    "reference-images": { help: "length of the reference", default: reference.images },
    seed: { help: "seed of all", default: 0 },
    threads: { help: "threads of each program", default: 2 },
    rounds: { help: "rounds in which steps are timed; 0: what the last run timed", default: 5 },
    seconds: { help: "of steps in a round, of each program", default: 4 },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run(values, { work, python: findPython }) {
    const { images: lengths, "peer-images": peerLengths, seed, threads, rounds, render } = values;
    const kept = join(work, "kept");
    const jobOf = (contender: Contender, images: number): Job => ({
      ...{ contender, model, seed, images, threads, folds: choiceFolds, frozen: kept },
      folder: join(work, contender.name.replaceAll(/[^A-Za-z]+/g, "-"), String(images), String(seed)),
    });
    const unknown = peerLengths.find((images) => !lengths.includes(images));
    if (unknown !== undefined) throw new UsageError(`petalface has no training of ${unknown} images to compare with`);
    const running = { atOnce: 1, render };
    const own = lengths.map((images) => jobOf(contenders.ours, images));
    const cells = await runAll(
      [jobOf({ name: "frozen" }, 0), ...own, jobOf(reference, values["reference-images"])],
      running,
    );

    const python = render ? undefined : await findPython();
    const stream = join(work, `stream-${seed}-${Math.max(...peerLengths)}`);
    const longest = own.find(({ images }) => images === Math.max(...peerLengths));
    const peers = peerLengths.map((images) => jobOf(contenders.peer, images));
    const oursOf = (images: number): Job => jobOf(contenders.ours, images);
    if (python !== undefined && longest !== undefined) {
      if (!existsSync(join(stream, "pixels.u8"))) await writeStream(longest, longest.images, stream);
      for (const job of peers) await trainPeer(job, oursOf(job.images), stream, python);
    }
    // What is missing here would be trained by petalface.
    cells.push(...(await runAll(peers.filter(isPeers), running)));

    const speedFile = join(work, "speed.json");
    if (python !== undefined && rounds > 0) {
      const speeds = await measureSpeed(python, { kept, stream, work }, values);
      await writeFile(speedFile, JSON.stringify(speeds));
    }
    const speeds = existsSync(speedFile) ? (JSON.parse(await readFile(speedFile, "utf8")) as Speed[]) : [];

    const faces = (await trainingFaces()).length;
    const reached: Reached[] = [];
    for (const cell of cells) {
      const { contender, images } = cell.job;
      const options = trainingOptions({ ...contender.options, seed });
      const targets =
        contender.name === contenders.peer.name ? 0 : targetsAfter(options, faces, images / options.batch);
      reached.push({ name: contender.name, images, cell, targets, cosines: await cosinesOf(cell.job) });
    }
    const both = peers.find((job) => cells.some((cell) => cell.job === job));
    const losses = both === undefined ? [] : await firstLosses(both, oursOf(both.images), compared);
    return {
      body: renderTimeTo({ reached, speeds, losses, threads }),
      versions: python?.versions.filter((version) => /^(torch|onnxruntime|peft) /.test(version)) ?? [],
    };
  },
});
