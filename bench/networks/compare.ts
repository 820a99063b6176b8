import { readFile } from "node:fs/promises";
import {
  copyGraph,
  differentiate,
  entryOf,
  type Graph,
  GraphBuilder,
  ops,
  proveBatch,
  type Run,
  readModel,
  readTensor,
  setBatch,
  type Tensor,
  upgradeOpset,
} from "onnx-grad";
import { findSites } from "petalface/adapters";
import { parseSafetensors, type StoredTensor } from "petalface/portable";
import { floatsOf } from "petalface/runtime";
import { runOnce } from "../skeleton/sessions.ts";
import { relativeError } from "../skeleton/statistics.ts";
import { asParameter, findParameter } from "./match.ts";

/** What was measured on one exported file. Differences are relative, by L2 norm. */
export interface Comparison {
  readonly file: string;
  readonly opset: number;
  readonly nodes: number;
  /** Batches: as exported against open, 2 and 3 of the same images. */
  readonly batch: number;
  readonly sites: number;
  readonly grouped: number;
  readonly features: number;
  readonly images: number;
  /** Gradients by weights: the worst. */
  readonly weights: number;
  readonly weightsAt: string;
  /**
   * How many of the reference's parameters are constants of the graph; the others were merged by
   * the exporter.
   */
  readonly found: number;
  readonly seconds: number;
}

/** PyTorch's numbers for one network. */
export interface Reference {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Convolutions and products of images that can have an adapter, and grouped convolutions. */
  readonly dense: number;
  readonly grouped: number;
  /** What float32 in place of float64 changes in PyTorch's gradient by the images. */
  readonly float32: number;
  /** Names of the parameters whose gradients are known. */
  readonly parameters: readonly string[];
}

/** Reads what reference.py wrote. */
export async function readReference(path: string): Promise<Reference> {
  const { tensors, metadata } = parseSafetensors(await readFile(path), path);
  const parameters = [...tensors.keys()].filter((key) => key.startsWith("value.")).map((key) => key.slice(6));
  const number = (key: string): number => Number(metadata.get(key));
  return { tensors, dense: number("dense"), grouped: number("grouped"), float32: number("float32"), parameters };
}

/**
 * Loads one exported file, changes its batch, looks for sites, differentiates it, and compares all
 * with PyTorch.
 */
export async function compareModel(path: string, file: string, reference: Reference): Promise<Comparison> {
  const started = performance.now();
  const exported = await readModel(path);
  const graph = upgradeOpset(exported);
  const open = setBatch(graph, "N");
  const batch = await proveBatches(graph, open);
  const { sites, unfit } = findSites(open);
  const gradients = [await compareGradients(open, reference), await compareGradients(setBatch(graph, 3), reference)];
  const worst = (of: (result: Gradients) => number): number => Math.max(...gradients.map(of));
  const { found, weightsAt } = gradients.toSorted((a, b) => b.weights - a.weights)[0];
  return {
    file,
    opset: exported.opset,
    nodes: graph.nodes.length,
    batch,
    sites: sites.length,
    grouped: unfit.filter(({ reason }) => reason.includes("grouped")).length,
    features: worst((result) => result.features),
    images: worst((result) => result.images),
    weights: worst((result) => result.weights),
    weightsAt,
    found,
    seconds: (performance.now() - started) / 1000,
  };
}

/** One image at a time against the open batch, 2 and 3 together. Returns the largest difference. */
async function proveBatches(graph: Graph, open: Graph): Promise<number> {
  const one = setBatch(graph, 1);
  const differences: number[] = [];
  for (const batched of [open, setBatch(graph, 2), setBatch(graph, 3)])
    differences.push(await proveBatch(one, batched, run));
  return Math.max(...differences);
}

const run: Run = (graph, feeds) => runOnce(graph, feeds, { optimisation: "free" });

type Gradients = Pick<Comparison, "features" | "images" | "weights" | "weightsAt" | "found">;

/**
 * Builds loss = sum(features * direction) with images, direction and found weights as inputs,
 * differentiates, runs, compares.
 */
async function compareGradients(graph: Graph, { tensors, parameters }: Reference): Promise<Gradients> {
  const reference = (name: string): StoredTensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the reference holds no "${name}"`);
    return tensor;
  };
  const floats = (name: string): Float32Array<ArrayBuffer> => reference(name).data as Float32Array<ArrayBuffer>;
  const matches = parameters.flatMap((key) => {
    const { shape, data } = reference(`value.${key}`);
    const match = findParameter(graph, shape, data as Float32Array);
    return match === undefined ? [] : [{ key, shape, match }];
  });
  const [images = "", output = ""] = [...graph.inputs, ...graph.outputs];
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const o = ops(b);
  const feeds: Record<string, Tensor> = {};
  const input = (name: string, tensor: Tensor, shape = graph.types.get(name)?.shape ?? tensor.dims): string => {
    feeds[name] = tensor;
    return b.input(name, { dtype: "float32", shape });
  };
  const stored = (name: string): Tensor => ({ dtype: "float32", dims: reference(name).shape, data: floats(name) });
  const direction = input("direction", stored("direction"), graph.types.get(output)?.shape ?? []);
  const weights = matches.map(({ key, match }) => {
    const constant = readTensor(graph.constants.get(match.constant) as Tensor);
    return [match.constant, input(`weight.${key}`, constant, constant.dims)] as const;
  });
  const names = copyGraph(b, graph, {
    inputs: new Map([[images, input(images, stored("images"))]]),
    constants: new Map(weights),
  });
  const features = entryOf(names, output);
  const loss = o.reduceSum(o.mul(features, direction));
  const wrt = [images, ...weights.map(([, name]) => name)];
  const gradient = differentiate(b.build([loss]), {
    loss,
    wrt,
    names: wrt.map((_, i) => `g${i}`),
    outputs: [features],
  });
  const results = await run(gradient, feeds);
  const errors = matches.map(({ key, shape, match }, i) =>
    relativeError(asParameter(floatsOf(results, `g${i + 1}`), shape, match), floats(`grad.${key}`)),
  );
  const worst = Math.max(...errors);
  return {
    features: relativeError(floatsOf(results, features), floats("features")),
    images: relativeError(floatsOf(results, "g0"), floats("grad.images")),
    weights: worst,
    weightsAt: matches[errors.indexOf(worst)]?.key ?? "",
    found: matches.length,
  };
}
