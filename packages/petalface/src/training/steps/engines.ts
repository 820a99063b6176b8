import { type Embedder, maskTokens, openEmbedder, rowsNotFinite } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Ranks } from "../../ranks.ts";
import { type Keep, withResources } from "../../resources.ts";
import { openSession, type SessionOptions } from "../../runtime/index.ts";
import { makeTemporary } from "../../temporary.ts";
import { usesDistillation } from "../losses/names.ts";
import { openPrefix } from "../prefix/prefix.ts";
import { splitGraph } from "../prefix/split.ts";
import { exists } from "../run/places.ts";
import type { Run } from "../run/types.ts";
import { anchorCount, openAnchors } from "./anchors.ts";
import { beginSteps, type PreparedStep, prepareSteps } from "./batches.ts";
import { trainingGraph } from "./graph.ts";
import { teacherSession, trainingSession } from "./session.ts";
import { openTargets, type TargetCache, type Targets } from "./targets.ts";
import type { Engines } from "./task.ts";

/** What computes the steps of a run, and the steps that are left. */
export interface OpenEngines extends Engines, AsyncDisposable {
  readonly batches: Iterable<Promise<PreparedStep>>;
}

/**
 * The training graph and, for distillation, the frozen teacher, loaded. The teacher embeds the
 * first targets while the graph is built and loaded.
 */
export const openEngines = (
  run: Run,
  context: { readonly prefixBytes: number; readonly targetCache?: TargetCache | undefined },
): Promise<OpenEngines> =>
  withResources(async (keep) => {
    const { backbone, options, state, folder, ranks } = run;
    const classes = Math.min(state.head?.classes ?? 0, options.classesPerStep);
    const { tokenMasking, variants } = options;
    const int8 = options.base === "int8";
    if (int8 && (run.session.provider ?? "cpu") !== "cpu")
      throw new PetalfaceError(
        "PETAL_OPTION_UNFIT",
        `'base=int8' computes on the CPU only, not on ${run.session.provider}`,
      );
    const session = trainingSession(backbone, run.session);
    const targets = run.targets ?? keep(openTeacher(run, context.targetCache));
    const anchors =
      targets === undefined || anchorCount(run) === 0 ? undefined : openAnchors(run, targets, backbone.width);
    // What a prefix keeps decides what is loaded, and it needs the graph.
    const begun = variants > 0 ? undefined : beginSteps(run, { targets, anchors }, state.step);

    const shown = tokenMasking > 0 ? maskTokens(backbone, tokenMasking) : backbone;
    const graph = trainingGraph(shown, run.config, options, classes, anchorCount(run));
    const batch = options.batch / options.accumulate;
    const split = variants > 0 ? splitGraph(graph.graph, graph.inputs.image, batch) : undefined;
    // Runs of the whole training, so that a stopped one continues with the same graph.
    const runs = run.steps * options.accumulate;
    const engine = keep(await openSession(split?.rest ?? graph.graph, { ...session, int8, runs }));
    const { prefixBytes: bytes } = context;
    const prefix =
      split &&
      keep(
        await openPrefix({
          backbone,
          split,
          batch,
          variants,
          bytes,
          session,
          ranks,
          folder: await prefixPlace(folder, ranks, keep),
        }),
      );
    const batches = begun ?? prepareSteps(run, { targets, prefix }, state.step);
    return { batches, graph, engine, targets, anchors, prefix, findNotFinite: finder(run, session, keep) };
  });

/** The frozen teacher, which is loaded from now on; undefined where the loss takes none. */
export const openTeacher = (
  { backbone, options, data, session, ranks }: Pick<Run, "backbone" | "options" | "data" | "session" | "ranks">,
  cache: TargetCache | undefined,
): Targets | undefined =>
  usesDistillation(options.loss)
    ? openTargets(backbone, data.length, teacherSession(backbone, trainingSession(backbone, session)), cache, ranks)
    : undefined;

/**
 * Where a rank keeps what frozen layers make of images: in the run's folder, or elsewhere on a
 * machine that does not see it.
 */
async function prefixPlace(folder: string, { rank }: Ranks, keep: Keep): Promise<string> {
  if (rank === 0 || (await exists(folder))) return folder;
  return keep(await makeTemporary(), (temporary) => temporary.remove()).path;
}

/**
 * Finds the faces that the frozen model has no finite embedding of as they are shown: to tell a
 * picture from a learning rate. The model is loaded at the first call, which only a loss that is
 * not finite makes.
 */
function finder({ backbone, data, loader }: Run, session: SessionOptions, keep: Keep): Engines["findNotFinite"] {
  let frozen: Promise<Embedder> | undefined;
  return async (draws) => {
    frozen ??= openEmbedder(backbone, session).then((opened) => keep(opened));
    const { batch: most, embed, width } = await frozen;
    const requests = draws.map(({ index, flip, degrade }) => ({
      source: data.at(index).source,
      face: index,
      flip,
      degrade,
    }));
    const found: number[] = [];
    for (let start = 0; start < requests.length; start += most) {
      const part = requests.slice(start, start + most);
      const { data: rows } = await embed(await loader.load(part), part.length);
      found.push(...rowsNotFinite(rows, width).map((row) => start + row));
    }
    return found;
  };
}
