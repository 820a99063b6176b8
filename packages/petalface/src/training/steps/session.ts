import type { Backbone } from "../../backbones/index.ts";
import type { EngineKeeper, SessionOptions } from "../../runtime/index.ts";

/** Weights from which on memory matters more than a tenth of the time (docs/speed.md). */
const manyWeights = 2 ** 27;

/**
 * How the engine runs training graphs. Nothing there is compared bit for bit with another graph, so
 * it may choose memory layouts too: 15 to 20 % faster on convolutional networks.
 */
export const trainingSession = (backbone: Pick<Backbone, "parameters">, options: SessionOptions): SessionOptions => ({
  ...options,
  optimisation: "free",
  prepack: backbone.parameters < manyWeights,
});

/**
 * Weights from which on the targets of a few faces take longer than a thread takes to start: a
 * second where there are 2^27.
 */
const slowTeacher = 2 ** 24;

/** The run that needs a target hears that the thread has ended. */
const unwatched: EngineKeeper = { lost: () => undefined, back: () => undefined, failed: () => undefined };

/**
 * How the engine runs the frozen teacher: a large one in a thread of its own, so that it embeds the
 * first targets while the training graph is built and loaded. Both use one core for most of that.
 */
export const teacherSession = (
  { parameters }: Pick<Backbone, "parameters">,
  options: SessionOptions,
): SessionOptions =>
  parameters < slowTeacher || (options.provider ?? "cpu") !== "cpu" ? options : { ...options, ownThread: unwatched };
