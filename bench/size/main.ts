import { rm } from "node:fs/promises";
import { join } from "node:path";
import { GraphBuilder, itemAt, ops, writeModel } from "onnx-grad";
import { encodePng } from "petalface/images";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { runRanks } from "../skeleton/mpi.ts";
import { table, whole } from "../skeleton/page.ts";
import { writeRecords } from "../skeleton/records.ts";
import { drawer, median } from "../skeleton/statistics.ts";

const side = 16;
const width = 512;

/** Different small PNG pictures, each of two slopes; the file repeats them. */
async function pictures(count: number): Promise<Uint8Array[]> {
  const draw = drawer(1);
  const made: Uint8Array[] = [];
  for (let picture = 0; picture < count; picture++) {
    const slopes = Array.from({ length: 6 }, () => 15 * draw());
    const planes = Uint8Array.from({ length: 3 * side * side }, (_, at) => {
      const [channel, y, x] = [Math.floor(at / side ** 2), Math.floor(at / side) % side, at % side];
      return x * slopes[channel] + y * slopes[3 + channel];
    });
    made.push(await encodePng(planes, side));
  }
  return made;
}

/** A recogniser whose own work is small: one product. */
async function writeRecogniser(path: string): Promise<void> {
  const draw = drawer(2);
  const b = new GraphBuilder({ name: "one product", opset: 18 });
  const o = ops(b);
  const image = b.input("image", { dtype: "float32", shape: [1, 3, side, side] });
  const inside = 3 * side * side;
  const weight = Float32Array.from({ length: inside * width }, () => (draw() - 0.5) / 8);
  await writeModel(b.build([o.matmul(o.reshape(image, [1, inside]), o.floats(weight, [inside, width]))]), path);
}

interface Rank {
  readonly faces: number;
  readonly people: number;
  /** Seconds until the set was open, and until the first step was done. */
  readonly opened: number;
  readonly firstAfter: number;
  /** Milliseconds of the steps after the first. */
  readonly times: readonly number[];
  /** Peak in KiB, and bytes that were read. */
  readonly memoryOfOpening: number;
  readonly memory: number;
  readonly readByOpening: number;
  readonly read: number;
}

/** Faces of WebFace4M (its paper: Zhu et al. 2021), and of a step in the model below. */
const webFace4M = 4_235_242;
/** Faces a second of one machine of this kind: docs/speed.md, 8 of IResNet-50 in 1166 ms. */
const perSecond = 8 / 1.166;
/**
 * Arithmetic of one face in training, in 1e9 operations: 6.3e9 multiplications and additions
 * forwards, twice that backwards.
 */
const operations = 2 * 3 * 6.3;
/** Assumed shares of a GPU's half-precision peak of 312e12 operations a second (NVIDIA's A100). */
const shares = [0.2, 0.4];

export default defineBenchmark({
  name: "size",
  title: "Training at size on several ranks",
  measures: "Opening, memory of a rank and time of a step with many records and classes, on four ranks.",
  minutes: 3,
  pages: ["size", "size-12m"],
  needs: "Open MPI, Linux",
  options: {
    people: {
      help: "classes, 20 records each (600,000 make 12 million records and take two minutes)",
      default: 20_000,
    },
    "classes-per-step": { help: "classes of a step (Partial FC)", default: 2000 },
    steps: { help: "steps that are timed, after the first", default: 10 },
    ranks: { help: "processes", default: 4 },
    mpirun: { help: "the launcher", default: "mpirun.openmpi" },
  },
  async run({ people, "classes-per-step": classes, steps, ranks, mpirun }, { work }) {
    const [rec, model, out] = [join(work, "train.rec"), join(work, "model.onnx"), join(work, "run")];
    const small = await pictures(500);
    writeRecords(
      rec,
      (at) => itemAt(small, (at * 7) % small.length),
      (count) => count === people,
    );
    await writeRecogniser(model);
    const program = [join(import.meta.dirname, "rank.ts"), model, rec, out, String(steps + 1), String(classes)];
    const all = await runRanks<Rank[]>(mpirun, ranks, program);
    await rm(rec);
    const { faces = 0, people: named = 0, times = [] } = all[0] ?? {};
    const days = (rate: number): string => (webFace4M / rate / 86_400).toPrecision(2);
    const gb = (kib: number): string => `${((kib * 1024) / 1e9).toFixed(2)} GB`;
    return {
      body: `${whole(faces)} records of ${whole(named)} people (pictures of ${side} px, repeated), a recogniser of one product
with ${width} outputs, CosFace with ${whole(classes)} classes a step. The centres of all classes, with two moments each, are
divided among ${ranks} ranks: ${((12 * named * width) / ranks / 1e9).toFixed(2)} GB each. Rank 0 also writes them: the first and the last checkpoint pass through it.

${table(
  ["rank", "set open after", "memory then", "read then", "first step after", "memory, peak", "read in all"],
  all.map((rank, at) => [
    ...[String(at), `${rank.opened.toFixed(1)} s`, gb(rank.memoryOfOpening)],
    ...[`${(rank.readByOpening / 1e6).toFixed(0)} MB`, `${rank.firstAfter.toFixed(0)} s`, gb(rank.memory)],
    `${(rank.read / 1e6).toFixed(0)} MB`,
  ]),
)}

A step of 8 faces took ${median([...times]).toFixed(0)} ms (median of ${times.length}).

## One epoch of WebFace4M (modelled, not measured)

${whole(webFace4M)} faces with IResNet-50, ${perSecond.toFixed(1)} faces a second on one machine of this kind (docs/speed.md), and
no loss by the exchange (bench/results/mpi.md models that). A GPU is an A100 at an assumed share of its peak of 312e12
operations a second in half precision; each face takes ${operations.toFixed(0)}e9 operations. It was not tried on one.

${table(
  ["", "days"],
  [
    ...[1, 8, 64, 512].map((count) => [
      `${count} ${count === 1 ? "machine" : "machines"} of this kind`,
      days(count * perSecond),
    ]),
    ...shares.map((share) => [`one A100 at ${100 * share} % of its peak`, days((share * 312e12) / (operations * 1e9))]),
  ],
)}
`,
    };
  },
});
