import { PetalfaceError } from "../errors.ts";
import type { Site, UnfitLayer } from "./sites.ts";

/**
 * The sites that a pattern names: `default`, `all`, `pointwise` (1x1 convolutions), `conv`, `linear` (MatMul and Gemm), or a
 * comma-separated list of names in which `*` stands for anything. Throws PetalfaceError if nothing matches; where the pattern names a
 * layer of `unfit`, with the reason.
 *
 * `default` is the recipe of docs/METHOD.md. Networks with more products than convolutions (transformers): the products on residual
 * branches, that is qkv, proj, fc1 and fc2 but neither patch embedding, patch merging nor the head; all products where there are no such
 * branches. Other networks: the 1x1 convolutions except those of the first (largest) stage; every dense convolution outside the first
 * stage where there are no 1x1 ones.
 */
export function selectSites(sites: readonly Site[], pattern = "default", unfit: readonly UnfitLayer[] = []): Site[] {
  const chosen = pattern === "default" ? defaultSites(sites) : sites.filter(matcher(pattern));
  const refused = pattern === "all" || pattern === "default" ? undefined : unfit.find(namer(pattern));
  if (chosen.length === 0 && refused !== undefined)
    throw new PetalfaceError(`layer "${refused.name}" (${refused.op}) cannot carry an adapter: ${refused.reason}`);
  if (chosen.length === 0)
    throw new PetalfaceError(
      `no layer matches --sites "${pattern}"; the model has ${sites.length}${sites.length > 0 ? `, for example "${sites[0]?.name}"` : ""} (petalface inspect lists them)`,
    );
  return chosen;
}

function defaultSites(sites: readonly Site[]): Site[] {
  const convolutions = sites.filter((site) => site.op === "Conv");
  const pointwise = convolutions.filter((site) => site.kernel[0] === 1 && site.kernel[1] === 1);
  const linear = sites.filter((site) => site.op !== "Conv");
  if (linear.length > convolutions.length) {
    const branches = linear.filter((site) => site.branch);
    return branches.length > 0 ? branches : linear;
  }
  const family = pointwise.length * 2 >= convolutions.length ? pointwise : convolutions;
  const largest = Math.max(...family.map((site) => site.positions));
  return family.filter((site) => site.positions < largest);
}

function matcher(pattern: string): (site: Site) => boolean {
  if (pattern === "all") return () => true;
  if (pattern === "conv") return (site) => site.op === "Conv";
  if (pattern === "linear") return (site) => site.op !== "Conv";
  if (pattern === "pointwise") return (site) => site.op === "Conv" && site.kernel[0] === 1 && site.kernel[1] === 1;
  return namer(pattern);
}

/** Whether a layer's name is one of a comma-separated list in which `*` stands for anything. */
function namer(pattern: string): (layer: { readonly name: string }) => boolean {
  const names = pattern.split(",").map((part) => part.trim());
  const expressions = names.map(
    (name) =>
      new RegExp(
        `^${name
          .split("*")
          .map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"))
          .join(".*")}$`,
      ),
  );
  return ({ name }) => expressions.some((expression) => expression.test(name));
}
