import { type Cell, measureIn, renderDifferences, seedCell } from "../faces/table.ts";
import { megabytes, table, whole } from "../skeleton/page.ts";
import { mean, median, timesOurs } from "../skeleton/statistics.ts";
import { type Cosines, meanOverPeople, meanOverSizes } from "./measure.ts";
import { type Cost, costOf, minutesOf, type Point, shortestThatReaches } from "./plan.ts";
import { rowNames, type Speed } from "./speed.ts";

/** A finished training and what it reached. */
export interface Reached {
  /** `petalface`, `PyTorch + PEFT`, `reference` or `frozen`. */
  readonly name: string;
  readonly images: number;
  readonly cell: Cell;
  readonly cosines: Cosines;
  /** Frozen embeddings that petalface computes in such a training. */
  readonly targets: number;
}

/** What the page is made of. */
export interface Findings {
  readonly reached: readonly Reached[];
  readonly speeds: readonly Speed[];
  /** Losses of the same steps: the peer's and ours. */
  readonly losses: readonly (readonly [number, number])[];
  readonly threads: number;
}

/** Steps whose losses agree to the rounding of numbers; later ones amplify it. */
const alike = 3;

const mixed = "accuracy/mixed:12";

const cosineOf = ({ cosines }: Reached): number => mean(meanOverSizes(cosines));

/** What is to be reached: its title, and its value in a training. */
const goals: readonly { readonly title: string; readonly of: (found: Reached) => number }[] = [
  { title: "validation cosine", of: cosineOf },
  { title: "mixed 12 px", of: ({ cell }) => measureIn(cell.done.result, mixed)?.value ?? Number.NaN },
];

const label = ({ name, images }: Reached): string => (images === 0 ? name : `${name}, ${whole(images)}`);

/** Costs by the programs' names, as far as they were timed. */
function costsOf(speeds: readonly Speed[]): ReadonlyMap<string, Cost> {
  const find = (name: string): Speed | undefined => speeds.find((speed) => speed.name === name);
  const [known, first, reference] = [find(rowNames.known), find(rowNames.first), find(rowNames.reference)];
  const peers = speeds.filter(({ name }) => name === rowNames.peer || name === rowNames.peerLast);
  const [peer] = peers.toSorted((a, b) => median(a.seconds) - median(b.seconds));
  const costs = new Map<string, Cost>();
  if (known === undefined || first === undefined) return costs;
  const own = costOf(first.startup, known, first);
  costs.set("petalface", own);
  if (reference !== undefined)
    costs.set("reference", { ...costOf(first.startup, reference, undefined), target: own.target });
  if (peer !== undefined) costs.set("PyTorch + PEFT", costOf(peer.startup, peer, undefined));
  return costs;
}

/** The page of `npm run bench -- time-to`. */
export function renderTimeTo({ reached, speeds, losses, threads }: Findings): string {
  const costs = costsOf(speeds);
  const minutes = (found: Reached): number | undefined => {
    const cost = costs.get(found.name);
    return cost && minutesOf(cost, found.images, found.targets);
  };
  const parts = [about, renderValues(reached, minutes), renderGoals(reached, minutes)];
  const at = reached.find(({ name }) => name === "reference");
  if (at !== undefined) parts.push(renderAgainst(at, reached));
  if (losses.length > 0) {
    const off = losses.map(([theirs, ours]) => Math.abs(theirs - ours) / ours);
    const most = (steps: readonly number[]): string => `${(100 * Math.max(...steps)).toFixed(4)} %`;
    parts.push(
      `PyTorch's losses differ from petalface's by at most ${most(off.slice(0, alike))} in the first ${alike} steps. The difference
grows from step to step: of the first ${losses.length} the median is ${(100 * median(off)).toFixed(3)} %, and the largest ${most(off)}.`,
    );
  }
  if (speeds.length > 0) parts.push(renderSpeeds(speeds, threads));
  return parts.join("\n\n");
}

const about = `MobileFaceNet on LFW people who are in no pair of folds 1 to 6 of View 2; measured on the people of fold 6,
one seed. _reference_: the recipe and the length of the row \`petal, long\` of
[mobilefacenet](mobilefacenet.md) (\`shrinkingRecipe\`, rank 32). _petalface_: today's defaults with
\`--degrade lr\`. _PyTorch + PEFT_: the same training in eager PyTorch, with the adapters of Hugging
Face PEFT. PEFT has no gate for each image: a hook weights what goes between its two projections.
Both have the same images, layers, rank, first numbers, loss, AdamW and learning rates. PyTorch is
given the decoded, degraded images with their alphas and targets, and the anchors. petalface
decodes, degrades and judges the images, and embeds each face and its mirror image once.

Validation cosine: the mean cosine of a face shrunk to 16, 12 and 8 px to its own sharp, frozen
embedding, as \`petalface adapt --val cosine\` computes it. mix 12: pairs of a sharp face and one at
12 px. After ± half the width of the 95 % interval (bootstrap over people). Each length is a training
of its own, whose learning rate falls to 0 at its end.`;

type Minutes = (found: Reached) => number | undefined;

const printMinutes = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(1));

function renderValues(reached: readonly Reached[], minutes: Minutes): string {
  const rows = reached.map((found) => {
    const { cosines, cell } = found;
    const { value, low, high } = meanOverPeople(meanOverSizes(cosines), cosines.people);
    const results = [cell.done.result];
    return [
      found.name,
      found.images === 0 ? "-" : whole(found.images),
      `${value.toFixed(4)} ± ${((high - low) / 2).toFixed(4)}`,
      seedCell(results, mixed, 1),
      seedCell(results, "rank1/mixed:16", 1),
      seedCell(results, "rank1/mixed:12", 1),
      printMinutes(minutes(found)),
    ];
  });
  return table(["training", "images", "validation cosine", "mix 12", "rank-1 16", "rank-1 12", "minutes"], rows);
}

function renderGoals(reached: readonly Reached[], minutes: Minutes): string {
  const at = reached.find(({ name }) => name === "reference");
  if (at === undefined) return "The reference has not ended.";
  const names = [...new Set(reached.map(({ name }) => name))].filter((name) => !["reference", "frozen"].includes(name));
  const rows = goals.flatMap(({ title, of }) =>
    names.map((name) => {
      const own = reached.filter((found) => found.name === name);
      const points = own.map((found): Point => ({ images: found.images, value: of(found) }));
      const first = shortestThatReaches(points, of(at));
      const found = own.find(({ images }) => images === first?.images);
      const longest = Math.max(...points.map(({ images }) => images));
      return [
        title,
        name,
        first === undefined ? `not with ${whole(longest)}` : whole(first.images),
        first === undefined ? "-" : `1/${(at.images / first.images).toFixed(0)}`,
        printMinutes(found && minutes(found)),
      ];
    }),
  );
  const total = minutes(at);
  const took = total === undefined ? "" : ` The reference takes ${printMinutes(total)} minutes in petalface.`;
  return `The shortest training here that reaches the reference's value:${took}

${table(["value", "training", "images", "of the reference's", "minutes"], rows)}`;
}

/** Paired differences of every training from the reference. */
function renderAgainst(at: Reached, reached: readonly Reached[]): string {
  const base = meanOverSizes(at.cosines);
  const others = reached.filter(({ name }) => name !== "reference" && name !== "frozen");
  const rows = others.map((found) => {
    const differences = meanOverSizes(found.cosines).map((value, face) => value - (base[face] ?? Number.NaN));
    const { value, low, high } = meanOverPeople(differences, found.cosines.people);
    return [label(found), `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`];
  });
  const groups = reached.map((found) => ({ name: label(found), cells: [found.cell] }));
  const pairs = others.map((found) => [label(found), label(at)] as const);
  const columns = [
    ["mix 12", mixed],
    ["rank-1 16", "rank1/mixed:16"],
    ["rank-1 12", "rank1/mixed:12"],
  ] as const;
  return `Differences from the reference on the same faces, with 95 % interval over people:

${table(["training", "validation cosine"], rows)}

${renderDifferences(groups, pairs, columns)}`;
}

function renderSpeeds(speeds: readonly Speed[], threads: number): string {
  const perImage = ({ seconds, batch }: Pick<Speed, "seconds" | "batch">): number[] =>
    seconds.map((value) => value / batch);
  const ours = speeds.find(({ name }) => name === rowNames.known);
  const rows = speeds.map((speed) => {
    const { name, batch, startup, seconds, processor, targets, peak } = speed;
    const each = perImage(speed);
    return [
      name,
      String(batch),
      (1000 * median(seconds)).toFixed(0),
      (1000 * median(processor)).toFixed(0),
      (1 / median(each)).toFixed(1),
      ours === undefined ? "-" : timesOurs(each, perImage(ours)),
      median(targets).toFixed(1),
      startup.toFixed(1),
      megabytes(peak),
    ];
  });
  const head = ["program", "batch", "ms a step", "processor ms", "images/s", "times ours", "targets a step"];
  return `Steps of all programs on ${threads} threads, alternately, ${ours?.seconds.length ?? 0} rounds: medians; times ours: of an image, in brackets
the smallest and largest. Minutes above are the start, the images, and for petalface the targets,
each times its cost here; PyTorch counts with its faster form. Start: to the end of the first step.

${table([...head, "start s", "MB"], rows)}`;
}
