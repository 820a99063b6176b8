import { type BatchPlace, type Graph, proveRows, type RowsProblem, traceRows } from "onnx-grad";
import { type Backbone, toInput } from "../backbones/index.ts";
import { isRecord } from "../json.ts";
import { random } from "../random.ts";
import { remembered } from "../remembered.ts";
import { openSession, type SessionOptions } from "../runtime/index.ts";
import { findSites, type Site, type SiteList, type UnfitLayer } from "./sites.ts";

/**
 * Weights from which on the result of the probe is kept: that of a smaller network is found faster
 * than it is worth a file.
 */
const worthRemembering = 2 ** 18;

/** Images in the probe's batch: enough to tell any two layouts apart. */
const BATCH = 3;

/**
 * The sites of a backbone, checked by running it: images of noise are changed, and in the input and
 * output of every site the rows that the graph gives to an image must change with it and with no
 * other. A layer where that is not so goes to the unfit with the reason.
 */
export async function proveSites(backbone: Backbone, options: SessionOptions = {}): Promise<SiteList> {
  const found = findSites(backbone.graph);
  if (backbone.parameters < worthRemembering) return proveSiteRows(backbone, found, options);
  const refused = await remembered(
    "rows",
    backbone.spec.sha256,
    async () => refusedOf(found, await proveSiteRows(backbone, found, options)),
    (value): value is UnfitLayer[] => Array.isArray(value) && value.every(isUnfit),
  );
  const names = new Set(refused.map(({ name }) => name));
  return { sites: found.sites.filter(({ name }) => !names.has(name)), unfit: [...found.unfit, ...refused] };
}

/** The layers that were found, and refused when they ran. */
const refusedOf = (found: SiteList, proven: SiteList): UnfitLayer[] => proven.unfit.slice(found.unfit.length);

const isUnfit = (value: unknown): value is UnfitLayer =>
  isRecord(value) && ["name", "op", "reason"].every((key) => typeof value[key] === "string");

/** The check of {@link proveSites} for sites that were found before. */
export async function proveSiteRows(
  backbone: Backbone,
  found: SiteList,
  options: SessionOptions = {},
): Promise<SiteList> {
  const { graph, input, size, spec } = backbone;
  if (found.sites.length === 0) return found;
  const rows = traceRows(graph);
  const places = new Map<string, BatchPlace>();
  for (const { input: from } of found.sites) {
    const traced = rows.get(from);
    if (traced?.kind === "images") places.set(from, traced.place);
  }
  for (const site of found.sites) places.set(site.output, site.rows);
  const images = (seed: number): Record<string, ReturnType<typeof toInput>> => {
    const stream = random("probe", seed);
    const pixels = Uint8Array.from({ length: BATCH * 3 * size * size }, () => Math.floor(256 * stream.uniform()));
    return { [input]: toInput(pixels, BATCH, BATCH, size, spec) };
  };
  const problems = await proveOnEngine(graph, places, { first: images(1), second: images(2) }, options);
  const wrong = (site: Site): string | undefined => {
    const [before, after] = [problems.get(site.input), problems.get(site.output)];
    // Weights of zero hide the image from the output; the adapter still sees it.
    return before?.reason ?? (after?.still ? undefined : after?.reason);
  };
  const refused = found.sites.flatMap((site): UnfitLayer[] => {
    const reason = wrong(site);
    return reason === undefined ? [] : [{ name: site.name, op: site.op, reason }];
  });
  return {
    sites: found.sites.filter((site) => wrong(site) === undefined),
    unfit: [...found.unfit, ...refused],
  };
}

async function proveOnEngine(
  graph: Graph,
  places: ReadonlyMap<string, BatchPlace>,
  feeds: Parameters<typeof proveRows>[2],
  options: SessionOptions,
): Promise<ReadonlyMap<string, RowsProblem>> {
  let session: Awaited<ReturnType<typeof openSession>> | undefined;
  try {
    return await proveRows(graph, places, feeds, async (probe, inputs) => {
      // Packing the weights takes longer than these few runs gain by it.
      session ??= await openSession(probe, { ...options, prepack: false });
      return session.run(inputs);
    });
  } finally {
    await session?.close();
  }
}
