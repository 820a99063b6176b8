import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { defaultPreprocessing, type Preprocessing } from "../models/index.ts";
import { type IrShape, ir, irBlocks } from "./networks/ir.ts";
import { type IResNetShape, iresnet, iresnetBlocks } from "./networks/iresnet.ts";
import type { Network } from "./networks/layers.ts";
import { type MobileFaceNetShape, mobileFaceNet } from "./networks/mobilefacenet.ts";
import { type FoamliuShape, mobileFaceNetFoamliu } from "./networks/mobilefacenet-foamliu.ts";
import { type SwinShape, swin } from "./networks/swin.ts";
import { type VitShape, vit } from "./networks/vit.ts";

/** Sizes of each family of networks. */
interface Shapes {
  swin: SwinShape;
  vit: VitShape;
  iresnet: IResNetShape;
  ir: IrShape;
  mobilefacenet: MobileFaceNetShape;
  "mobilefacenet-foamliu": FoamliuShape;
}

/** A network by family and sizes. */
export type Architecture = {
  [F in keyof Shapes]: { readonly family: F; readonly shape: Shapes[F] };
}[keyof Shapes];

/**
 * What one family is: the sizes that are taken where none are given, how it is built, and what its
 * sizes must satisfy.
 */
interface Family<S> {
  readonly sizes: S;
  readonly build: (shape: S) => Network;
  /** What is wrong with these sizes. */
  readonly problem: (shape: S) => string | undefined;
}

const face = { image: 112, embedding: 512 } as const;

const families: { readonly [F in keyof Shapes]: Family<Shapes[F]> } = {
  swin: {
    sizes: {
      image: 120,
      patch: 6,
      dims: [384, 768, 1536],
      depths: [2, 18, 2],
      heads: [8, 16, 16],
      window: 5,
      mlp: 4,
      embedding: 512,
      mask: false,
    },
    build: swin,
    problem: swinProblem,
  },
  vit: {
    sizes: { ...face, patch: 9, dim: 512, depth: 24, heads: 8, mlp: 4 },
    build: (shape) => vit(shape),
    problem: ({ image, patch, dim, heads }) => {
      if (patch > image) return `patches of ${patch} pixels do not fit an image of ${image}`;
      return dim % heads === 0 ? undefined : `${dim} features do not divide into ${heads} heads`;
    },
  },
  iresnet: {
    sizes: { ...face, depth: 50 },
    build: iresnet,
    problem: ({ depth }) => depthProblem(depth, iresnetBlocks),
  },
  ir: { sizes: { ...face, depth: 50 }, build: ir, problem: ({ depth }) => depthProblem(depth, irBlocks) },
  mobilefacenet: {
    sizes: { ...face, blocks: [1, 4, 6, 2], width: 2 },
    build: mobileFaceNet,
    problem: ({ blocks }) => (blocks.length === 4 ? undefined : "blocks are four numbers, one a stage"),
  },
  "mobilefacenet-foamliu": {
    sizes: { image: 112, embedding: 128 },
    build: mobileFaceNetFoamliu,
    problem: () => undefined,
  },
};

function depthProblem(depth: number, known: Readonly<Record<number, unknown>>): string | undefined {
  return Object.hasOwn(known, depth) ? undefined : `depth is one of ${Object.keys(known).join(", ")}`;
}

/** Numbers of a network's largest shift mask; the reference's has 10,000. */
const largestMask = 2 ** 24;

function swinProblem({ image, patch, dims, depths, heads, window, mask }: SwinShape): string | undefined {
  if (image % patch !== 0) return `an image of ${image} pixels does not divide into patches of ${patch}`;
  if (depths.length !== dims.length || heads.length !== dims.length)
    return `there are ${dims.length} dims, ${depths.length} depths and ${heads.length} heads; one of each for every stage`;
  let grid = image / patch;
  if (mask && grid ** 2 * window ** 2 > largestMask)
    return `${grid} x ${grid} tokens in windows of ${window} are too many for a mask`;
  for (const [at, dim] of dims.entries()) {
    if (dim % itemAt(heads, at) !== 0) return `${dim} features do not divide into ${heads[at]} heads`;
    if (grid > window && grid % window !== 0)
      return `stage ${at + 1} has ${grid} x ${grid} tokens, which windows of ${window} do not divide`;
    if (at < dims.length - 1 && grid % 2 !== 0) return `${grid} x ${grid} tokens cannot be merged two by two`;
    grid /= 2;
  }
  return undefined;
}

const vitOf = (dim: number, depth: number): string => `vit:image=112,patch=9,dim=${dim},depth=${depth},heads=8`;

/** Names that arcface_torch, PETALface, AdaFace and CVLface give their networks. */
const presets: Readonly<Record<string, string>> = {
  swin_256new: "swin",
  swin_256new_iqa: "swin",
  vit_t: vitOf(256, 12),
  vit_t_dp005_mask0: vitOf(256, 12),
  vit_s: vitOf(512, 12),
  vit_s_dp005_mask_0: vitOf(512, 12),
  vit_b: vitOf(512, 24),
  vit_b_iqa: vitOf(512, 24),
  vit_b_dp005_mask_005: vitOf(512, 24),
  vit_l: vitOf(768, 24),
  vit_l_dp005_mask_005: vitOf(768, 24),
  vit_h: vitOf(1024, 48),
  ...Object.fromEntries(Object.keys(iresnetBlocks).map((depth) => [`r${depth}`, `iresnet:depth=${depth}`])),
  ...Object.fromEntries(Object.keys(irBlocks).map((depth) => [`ir_${depth}`, `ir:depth=${depth}`])),
  // AdaFace's own weights take blue, green, red; CVLface's take red, green, blue.
  ...Object.fromEntries(
    Object.keys(irBlocks).map((depth) => [`adaface_ir_${depth}`, `ir:depth=${depth},channels=bgr`]),
  ),
  mbf: "mobilefacenet",
  mbf_large: "mobilefacenet:blocks=2/8/12/4,width=4",
};

/** Names that {@link parseArchitecture} knows: families, then presets. */
export const architectureNames: readonly string[] = [...Object.keys(families), ...Object.keys(presets)];

/** What `--arch` says: a network, and what belongs to its checkpoint rather than to its layers. */
export interface ArchitectureSpec {
  readonly architecture: Architecture;
  /** Rank that an adapter in the checkpoint must have, where it was said. */
  readonly rank?: number;
  /** Factor of an adapter in the checkpoint; 1 unless said. */
  readonly scale: number;
  /** Order of the image's planes. */
  readonly channels: "rgb" | "bgr";
}

/** No network has more of anything; larger numbers are mistakes. */
const most: Readonly<Record<string, number>> = { image: 1024, window: 32, depth: 512, depths: 512, blocks: 512 };
const mostOfOthers = 65536;
const mostStages = 8;

/**
 * Reads `NAME[:key=value,...]`: a family with its sizes, or a preset and what differs from it.
 * Lists are written with `/`. Other keys: `rank` and `scale` of an adapter in the checkpoint,
 * `channels=rgb|bgr`.
 *
 * @throws PetalfaceError (wrong usage) where name, key or value is none, or the sizes do not fit
 * together
 */
export function parseArchitecture(text: string): ArchitectureSpec {
  const fail = (what: string): never => {
    throw new PetalfaceError("PETAL_OPTION_INVALID", `'arch' ${JSON.stringify(text)}: ${what}`);
  };
  const [name = "", ...rest] = text.split(":");
  const preset = (Object.hasOwn(presets, name) ? presets[name] : undefined) ?? name;
  const [family = "", own = ""] = preset.split(":");
  if (!isFamily(family)) return fail(`no network has that name; known: ${architectureNames.join(", ")}`);
  const shape: Record<string, unknown> = { ...families[family].sizes };
  let rank: number | undefined;
  let scale = 1;
  let channels: "rgb" | "bgr" = "rgb";
  for (const part of [...own.split(","), ...rest.join(":").split(",")].filter((each) => each.trim() !== "")) {
    const [key = "", value = ""] = part.split("=").map((word) => word.trim());
    const number = (word: string, least = 1): number => {
      const limit = most[key] ?? mostOfOthers;
      const result = /^\d+$/.test(word) ? Number(word) : Number.NaN;
      return result >= least && result <= limit
        ? result
        : fail(`${key}=${value} is not a number from ${least} to ${limit}`);
    };
    if (key === "rank") rank = number(value);
    else if (key === "scale") {
      scale = value === "" ? Number.NaN : Number(value);
      if (!Number.isFinite(scale) || scale === 0) fail(`scale=${value} is not a factor`);
    } else if (key === "channels")
      channels = value === "bgr" || value === "rgb" ? value : fail("channels are rgb or bgr");
    else if (!Object.hasOwn(shape, key))
      fail(`${family} has no "${key}"; it has ${Object.keys(shape).join(", ")}, rank, scale, channels`);
    else if (Array.isArray(shape[key])) {
      const list = value.split("/").map((word) => number(word));
      shape[key] = list.length <= mostStages ? list : fail(`${key} are at most ${mostStages} numbers`);
    } else shape[key] = typeof shape[key] === "boolean" ? number(value, 0) === 1 : number(value);
  }
  const architecture = { family, shape } as unknown as Architecture;
  const problem = problemOf(architecture);
  if (problem !== undefined) fail(problem);
  return { architecture, ...(rank !== undefined && { rank }), scale, channels };
}

const isFamily = (name: string): name is keyof Shapes => Object.hasOwn(families, name);

const familyOf = <F extends keyof Shapes>(family: F): Family<Shapes[F]> => families[family];

/** The network as `--arch` takes it, every size said. */
export function printArchitecture({ family, shape }: Architecture): string {
  const sizes = Object.entries(shape).map(([key, value]: [string, number | boolean | readonly number[]]) => {
    const text = typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : value.join("/");
    return `${key}=${text}`;
  });
  return `${family}:${sizes.join(",")}`;
}

function problemOf({ family, shape }: Architecture): string | undefined {
  return familyOf(family).problem(shape as never);
}

/** Mean and deviation of ImageNet's pixels, which foamliu's network was trained with. */
const imageNet = { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375] } as const;

/** How a network wants its faces as its authors trained it. */
export function preprocessingOf({ architecture, channels }: ArchitectureSpec): Preprocessing {
  if (architecture.family !== "mobilefacenet-foamliu") return { ...defaultPreprocessing, channels };
  const [red, green, blue] = imageNet.deviation;
  return { mean: imageNet.mean, scale: [1 / red, 1 / green, 1 / blue], channels };
}

/** Builds the graph of a network, its weights yet to be filled in. */
export function buildNetwork({ family, shape }: Architecture): Network {
  return familyOf(family).build(shape as never);
}
