import { type Contender, testPixels } from "./plan.ts";
import { renderSearch, type Search } from "./search.ts";
import {
  type Cell,
  columns,
  groupsOf,
  keptColumns,
  type Pairs,
  protocolLine,
  renderDifferences,
  renderMeasures,
} from "./table.ts";

/** What the page is made of. */
export interface Findings {
  readonly cells: readonly Cell[];
  /** Finished or not, what was asked for. */
  readonly contenders: readonly Contender[];
  readonly seeds: readonly number[];
  readonly folds: readonly number[];
  /** What was searched, and with how many images; undefined without a search. */
  readonly search: { readonly found: readonly Search[]; readonly images: number } | undefined;
  /** Training choices on top of each method's, as JSON. */
  readonly options: string;
}

/** What each contender is; shown for those that are on the page. */
const descriptions: Readonly<Record<string, string>> = {
  frozen: "The network as it is.",
  full: "Fine-tuning of every weight of convolutions, products and slopes; rate 5e-4 unless searched.",
  bias: "Only biases, slopes, and scales and shifts of normalisations are trained.",
  lora: "petal without its gate: the adapter is always on.",
  "lora+": "lora whose up projections have 16 times the rate of the down projections.",
  pissa: "lora that starts from the 32 principal singular vectors of each weight; the rest is frozen.",
  dora: "lora of the weights' directions, and their lengths (DoRA).",
  paper: "Twin gate, CosFace, batch 32, rate 0.004, linear decay, alpha by sharpness.",
  petal: "The product's defaults.",
  nam: "The adapter of lora, weighted by 1 - alpha when it is used (NAM); no training of its own.",
  switch: "Two networks: frozen for faces with alpha = 1, full's for all others; no training of its own.",
  "petal, mirrored":
    "petal that also embeds mirror images, weighted by 1 - alpha (`export --mirror`); no training of its own.",
  "petal, long": "petal with eight times the images, with the choices found for petal.",
  "petal, synthetic": "petal on synthetic people and no photo, twice the images, with the choices found for petal.",
};

/** The page: what was done, what was searched, and a section for each model. */
export function renderPage({ cells, contenders, seeds, folds, search, options }: Findings): string {
  const isTest = !folds.includes(6);
  const models = [...new Set(cells.map((cell) => cell.job.model))];
  const described = contenders.flatMap(({ name }) => {
    const text = descriptions[name];
    return text === undefined ? [] : [`- _${name}_: ${text}`];
  });
  const about = `Trained on LFW people who are in no pair of folds 1 to 6 of View 2 (synthetic: on no photo at
all). Measured on fold${folds.length > 1 ? "s" : ""} ${folds.join(", ")}${isTest ? "; folds 4 and 5 were not used" : ", which choices are made on"}. Seeds: ${seeds.join(", ")}.
All methods see the same training images in the same order, degraded alike by the product's
defaults. Adapters are on the same layers and have the same rank. ${
    search === undefined
      ? "No method was searched here: each has its default rate and share of sharp images."
      : "Rates and shares of sharp images were searched for each method alike, see below."
  }${options === "{}" ? "" : `\nTraining choices on top of each method's: \`${options}\`.`}

${described.join("\n")}

HR: both faces sharp. LR k: both shrunk to k x k pixels and enlarged. mix k: sharp against k, each
side in turn. rank-1: the first photo of each person is enrolled, their other photos are probes,
sharp or of ${testPixels.join(", ")} px. _Enrolled again_: the adapted model has also enrolled the gallery, and the
sharp side of mixed pairs. _Gallery kept_: the frozen model has, as where stored embeddings stay.
Sharp bits kept: sharp photos whose embedding did not change in any bit.`;
  const sections = models.map((model) =>
    renderModelSection(
      model,
      cells.filter((cell) => cell.job.model === model),
    ),
  );
  const missing = missingOf({ cells, contenders, seeds });
  return [
    about,
    ...(missing === "" ? [] : [missing]),
    ...sections,
    ...(search === undefined ? [] : [renderSearch(search.found, search.images)]),
  ].join("\n\n");
}

/** Trainings that were asked for and have not ended. */
function missingOf({ cells, contenders, seeds }: Pick<Findings, "cells" | "contenders" | "seeds">): string {
  const models = [...new Set(cells.map(({ job }) => job.model))];
  const lines = models.flatMap((model) =>
    contenders.flatMap((contender) => {
      const there = cells.filter(({ job }) => job.model === model && job.contender.name === contender.name).length;
      const asked = contender.options === undefined || contender.once === true ? 1 : seeds.length;
      return there === asked ? [] : [`${model}, ${contender.name}: ${there} of ${asked} seeds`];
    }),
  );
  return lines.length === 0 ? "" : `Not all trainings have ended: ${lines.join("; ")}.`;
}

/** petal against each of the others, and its synthetic form against the frozen network. */
const pairsOf = (names: readonly string[]): Pairs => [
  ...names.filter((name) => name !== "petal" && !name.startsWith("petal,")).map((name) => ["petal", name] as const),
  ["petal, mirrored", "petal"],
  ["petal, long", "petal"],
  ["petal, synthetic", "frozen"],
];

function renderModelSection(model: string, cells: readonly Cell[]): string {
  const groups = groupsOf(cells);
  const pairs = pairsOf(groups.map(({ name }) => name));
  return `## ${model}

${protocolLine(cells)}

### Enrolled again

${renderMeasures(groups, columns)}

${renderDifferences(groups, pairs, columns)}

### Gallery kept

${renderMeasures(groups, keptColumns)}

${renderDifferences(groups, pairs, keptColumns)}`;
}
