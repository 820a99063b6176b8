import { join } from "node:path";
import { type Backbone, openBackbone } from "petalface/backbones";

/** Where the shared data and weights are. */
export const shared = process.env.PETALFACE_SHARED ?? join(import.meta.dirname, "../../../shared");

/** The aligned photos that recognition is measured on, and the official list of pairs. */
export const lfw = join(shared, "data/lfw112");
export const lfwPairs = join(shared, "data/lfw112_pairs.txt");

/** File of a model: a name among the shared weights, or a path. */
export const modelFile = (model: string): string =>
  model.endsWith(".onnx") ? model : join(shared, "weights", `${model}.onnx`);

/** Opens a model by the same. */
export const openShared = (model: string): Promise<Backbone> => openBackbone(modelFile(model));
