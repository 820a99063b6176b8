/** What `petalface adapt --minutes` says is to be expected is from here. */
import { join } from "node:path";
import type { TrainingChoices } from "petalface/training";
import { runAll } from "../faces/jobs.ts";
import { type Contender, choiceFolds, testPixels } from "../faces/plan.ts";
import type { Job } from "../faces/run.ts";
import { type Cell, protocolLine, seedCell } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table, whole } from "../skeleton/page.ts";
import { foundAt, shareOfGain } from "./gain.ts";
import { asked, titleOf } from "./plan.ts";

/** Low resolutions at which shares of the gain are given. */
const sharePixels = [16, 12] as const;

export default defineBenchmark({
  name: "length",
  title: "Accuracy by the length of training",
  measures: "What share of a long training's gain shorter ones reach, by learning rate, on fold 6.",
  pages: ["length", "length-shrinking"],
  minutes: 90,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    trainings: {
      help: "MODEL:IMAGES:RATE; shares are of the model's longest with its rate",
      default: asked,
    },
    options: { help: "training choices on top of the rate, as JSON", default: "{}" },
    seed: { help: "seed of the trainings", default: 0 },
    threads: { help: "threads of the engine", default: 2 },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run({ trainings, options, seed, threads, render }, { work }) {
    const jobOf = (model: string, contender: Contender, images: number, ...parts: readonly string[]): Job => ({
      ...{ contender, model, seed, images, threads, folds: choiceFolds, frozen: join(work, model, "kept") },
      folder: join(work, model, ...parts, String(images), String(seed)),
      options: JSON.parse(options) as TrainingChoices,
    });
    const wanted = trainings.map((text) => {
      const [model = "", images, rate] = text.split(":");
      return { model, images: Number(images), rate: Number(rate) };
    });
    const sections: string[] = [];
    let protocol = "";
    for (const model of new Set(wanted.map((each) => each.model))) {
      const jobs = wanted
        .filter((each) => each.model === model)
        .map(({ images, rate }) => {
          const contender: Contender = { name: "petal", options: { preset: "petal", learningRate: rate } };
          return jobOf(model, contender, images, "petal", String(rate));
        });
      const [frozen, ...cells] = await runAll([jobOf(model, { name: "frozen" }, 0, "frozen"), ...jobs], {
        atOnce: 1,
        render,
      });
      if (frozen === undefined) continue;
      // Earlier versions of petalface named the whole path of the set.
      protocol = protocolLine([frozen]);
      sections.push(renderModel(titleOf(model), frozen, cells));
    }
    return {
      body: `petal's defaults but for the learning rate${options === "{}" ? "" : ` and \`${options}\``}, on LFW people who are in no pair of folds 1 to 6 of
View 2. Measured on the people of fold 6, seed ${seed}: choices are made on them. The gallery is enrolled
again. Each length is a training of its own, whose learning rate falls to 0 at its end.

${protocol}
Share: of the gain in rank-1 over the frozen network that the longest training with the same rate
has, with its 95 % interval (each resample of people is applied to all three).

${sections.join("\n\n")}`,
    };
  },
});

const rateOf = ({ job }: Cell): number => job.contender.options?.learningRate ?? 0;

function renderModel(title: string, frozen: Cell, cells: readonly Cell[]): string {
  const values = ({ done: { result } }: Cell): string[] =>
    [...testPixels.map((pixels) => `rank1/mixed:${pixels}`), "accuracy/mixed:12"].map((key) =>
      seedCell([result], key, 1),
    );
  const rows = cells.map((cell) => {
    const same = cells.filter((other) => rateOf(other) === rateOf(cell));
    const long = same.reduce((a, b) => (b.job.images > a.job.images ? b : a));
    const shares = sharePixels.map((pixels) => shareCell({ frozen, short: cell, long }, pixels));
    return [whole(cell.job.images), String(rateOf(cell)), ...values(cell), ...shares];
  });
  const none = ["-", "frozen", ...values(frozen), ...sharePixels.map(() => "-")];
  const ranks = testPixels.map((pixels) => `rank-1 ${pixels}`);
  const head = ["images", "rate", ...ranks, "mix 12", ...sharePixels.map((pixels) => `share ${pixels} px`)];
  return `## ${title}\n\n${table(head, [none, ...rows])}`;
}

/** `87 % [81, 93]`; `-` for the longest itself. */
function shareCell(
  { frozen, short, long }: { readonly frozen: Cell; readonly short: Cell; readonly long: Cell },
  pixels: number,
): string {
  if (short === long) return "-";
  const found = ({ done }: Cell) => foundAt(done.result, pixels);
  const { people } = frozen.done.result.protocol;
  const share = shareOfGain({ frozen: found(frozen), short: found(short), long: found(long) }, people);
  const [value, low, high] = [share.value, share.low, share.high].map((each) => (100 * each).toFixed(0));
  return `${value} % [${low}, ${high}]`;
}
