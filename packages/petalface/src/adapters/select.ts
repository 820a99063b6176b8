import { PetalfaceError } from "../errors.ts";
import type { Site, UnfitLayer } from "./sites.ts";

/**
 * The sites that a pattern names, in graph order: a comma-separated list of names in which `*`
 * stands for anything, and of the words
 * - `default`, the recipe of docs/method.md. Networks with more products than convolutions
 *   (transformers): the products on residual branches, that is qkv, proj, fc1 and fc2 but neither
 *   patch embedding, patch merging nor the head; all products where there are no such branches.
 *   Other networks: the 1x1 convolutions except those of the first (largest) stage; every dense
 *   convolution outside the first stage where there are no 1x1 ones;
 * - `all`, `conv`, `pointwise` (1x1 convolutions), `linear` (MatMul and Gemm);
 * - `qkv`: products on residual branches that are three times as wide as what they see; `head`: the
 *   products behind the last residual branch, or the last product where there are no branches.
 *
 * Throws PetalfaceError if nothing matches; where the pattern names a layer of `unfit`, with the
 * reason.
 */
export function selectSites(sites: readonly Site[], pattern = "default", unfit: readonly UnfitLayer[] = []): Site[] {
  const parts = partsOf(pattern);
  const chosen = matchSites(sites, pattern);
  const refused = unfit.find(({ name }) => parts.some((part) => !Object.hasOwn(words, part) && named(part).test(name)));
  if (chosen.length === 0 && refused !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `layer "${refused.name}" (${refused.op}) cannot carry an adapter: ${refused.reason}`,
    );
  if (chosen.length === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `no layer matches 'sites' "${pattern}"; the model has ${sites.length}${sites.length > 0 ? `, for example "${sites[0]?.name}"` : ""} (petalface inspect lists them)`,
    );
  return chosen;
}

/** The same, where nothing need match: also of a pattern that is empty. */
export function matchSites(sites: readonly Site[], pattern: string): Site[] {
  const matching = partsOf(pattern).map((part) => {
    const chosen = Object.hasOwn(words, part) ? words[part]?.(sites) : undefined;
    const expression = named(part);
    return new Set(chosen ?? sites.filter(({ name }) => expression.test(name)));
  });
  return sites.filter((site) => matching.some((each) => each.has(site)));
}

const partsOf = (pattern: string): string[] =>
  pattern
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

const words: Readonly<Record<string, (sites: readonly Site[]) => readonly Site[]>> = {
  default: defaultSites,
  all: (sites) => sites,
  conv: (sites) => sites.filter((site) => site.op === "Conv"),
  linear: (sites) => sites.filter((site) => site.op !== "Conv"),
  pointwise: (sites) => sites.filter(isPointwise),
  qkv: (sites) => sites.filter((site) => site.op !== "Conv" && site.branch && site.outputs === 3 * site.inputs),
  head(sites) {
    const last = sites.findLastIndex((site) => site.branch);
    const products = sites.slice(last + 1).filter((site) => site.op !== "Conv");
    return last < 0 ? products.slice(-1) : products;
  },
};

const isPointwise = (site: Site): boolean => site.op === "Conv" && site.kernel[0] === 1 && site.kernel[1] === 1;

function defaultSites(sites: readonly Site[]): Site[] {
  const convolutions = sites.filter((site) => site.op === "Conv");
  const pointwise = convolutions.filter(isPointwise);
  const linear = sites.filter((site) => site.op !== "Conv");
  if (linear.length > convolutions.length) {
    const branches = linear.filter((site) => site.branch);
    return branches.length > 0 ? branches : linear;
  }
  const family = pointwise.length * 2 >= convolutions.length ? pointwise : convolutions;
  const largest = Math.max(...family.map((site) => site.positions));
  return family.filter((site) => site.positions < largest);
}

/** What a layer's name must look like, `*` standing for anything. */
const named = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"))
      .join(".*")}$`,
  );
