/** The networks of `npm run bench -- step`, and which of their layers carry an adapter. */
import { join } from "node:path";
import {
  findNegligible,
  flushNegligible,
  type Graph,
  readModel,
  setBatch,
  sizeOf,
  staticDims,
  upgradeOpset,
} from "onnx-grad";
import { type AdapterConfig, findSites, selectSites } from "petalface/adapters";
import type { Backbone } from "petalface/backbones";
import { measureOf, photoCalibration } from "petalface/quality";
import { shared } from "../skeleton/shared.ts";
import { drawnNetwork } from "./built.ts";
import { type SwinSizes, swinBlocks } from "./swin.ts";

/** What is trained on one network. */
export interface Network {
  readonly name: string;
  readonly backbone: Backbone;
  readonly config: AdapterConfig;
  /** Shape of one image, or of the tokens that stand for it. */
  readonly inputShape: readonly number[];
}

/** Stage 2 of PETALface's swin_256new: 18 blocks, 10 x 10 tokens in windows of 5 x 5. */
const stage2: SwinSizes = { blocks: 18, dim: 768, heads: 16, grid: 10, window: 5 };

/** Networks that are taken unless asked for others; `--arch` names of known networks are others. */
export const networkNames = ["fr_feature", "mobilefacenet", "swin"] as const;

/** The same of `npm run bench -- embed`: blocks alone embed nothing. */
export const embeddingNames = ["fr_feature", "mobilefacenet", "r50", "swin_256new"] as const;

/**
 * Whether a network is timm's vision transformer of `bench -- networks`, which Hugging Face PEFT
 * adapts too.
 */
export const isTimm = (name: string): boolean => name === "vit_small_patch16_224";

/** Networks whose trained weights are among the shared data. */
const trained: ReadonlySet<string> = new Set(["fr_feature", "mobilefacenet"]);

/** The transformer blocks of `npm run bench -- base`'s network. */
export const hybridSites = "*/blocks*";

/** Whether a network is a Swin transformer. */
export const isSwin = (name: string): boolean => name.startsWith("swin");

/** The graph of a network by name; timm's is exported instead, by Python. */
export async function graphOf(name: string): Promise<Graph> {
  if (trained.has(name)) return readModel(join(shared, "weights", `${name}.onnx`));
  return name === "swin" ? swinBlocks(stage2) : drawnNetwork(name);
}

/**
 * A network and its adapter, from the model file of a workload: single LoRA's sites, the gate of
 * petal or, for Swin, of the paper; none where PEFT, which has none, is the peer.
 */
export async function openNetwork(name: string, path: string): Promise<Network> {
  const read = upgradeOpset(await readModel(path));
  const graph = setBatch(flushNegligible(read, await findNegligible(read)), "N");
  const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
  const sizes = (value: string): readonly number[] => staticDims((graph.types.get(value)?.shape ?? []).slice(1));
  const sha256 = "0".repeat(64);
  const backbone: Backbone = {
    path,
    spec: { name, sha256 } as Backbone["spec"],
    graph,
    input,
    output,
    size: sizes(input).at(-1) ?? 0,
    width: sizes(output)[0] ?? 0,
    parameters: [...graph.constants.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0),
  };
  const { sites } = findSites(graph);
  const chosen =
    isSwin(name) || isTimm(name)
      ? sites.filter((site) => site.outputs === 3 * site.inputs)
      : selectSites(sites, name === "hybrid" ? hybridSites : "default");
  return {
    name,
    backbone,
    inputShape: sizes(input),
    config: {
      method: "lora",
      gate: isTimm(name) ? "single" : isSwin(name) ? "twin" : "low",
      rank: 16,
      scale: 1,
      sites: chosen.map((site) => site.name),
      backbone: { name, sha256 },
      calibration: photoCalibration(measureOf("sharpness"), 112),
    },
  };
}
