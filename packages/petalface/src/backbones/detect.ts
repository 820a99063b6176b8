import { itemAt } from "onnx-grad";
import type { Checkpoint, Plain, TensorGroup } from "../checkpoints/index.ts";
import { PetalfaceError } from "../errors.ts";
import { parseArchitecture, printArchitecture } from "./architecture.ts";

/** Shapes of a dictionary's tensors by name, the wrappers' prefix left out. */
type Shapes = ReadonlyMap<string, readonly number[]>;

/** What is known of a family of networks by looking at the shapes of its tensors. */
interface Signs {
  /** A tensor that only this family has. */
  readonly marker: string;
  /**
   * `--arch` from the shapes and `config.json`; a sentence that begins with "its" where they do not
   * determine it.
   */
  readonly read: (shapes: Shapes, config: { readonly [key: string]: Plain }) => string;
}

/**
 * Thrown by readers where shapes do not say all; the message continues "... is not a swin of a
 * known form: ".
 */
class Undetermined extends Error {}

const families: Readonly<Record<string, Signs>> = {
  swin: { marker: "layers.0.blocks.0.attn.relative_position_bias_table", read: readSwin },
  vit: { marker: "blocks.0.attn.qkv.weight", read: readVit },
  iresnet: { marker: "layer1.0.conv1.weight", read: readIResNet },
  ir: { marker: "body.0.res_layer.1.weight", read: readIr },
  mobilefacenet: { marker: "conv_sep.layers.0.weight", read: readMobileFaceNet },
  "mobilefacenet-foamliu": { marker: "gdconv.depthwise.weight", read: readFoamliu },
};

/**
 * The network that a checkpoint's names and shapes determine, as `--arch` takes it.
 *
 * @throws PetalfaceError where they do not: no known family, or sizes that no shape shows, such as
 * the heads of a vision transformer
 */
export function detectArchitecture(checkpoint: Checkpoint): string {
  const found = checkpoint.groups.flatMap((group) =>
    Object.entries(families).flatMap(([family, signs]) => {
      const prefix = prefixOf(group, signs.marker);
      return prefix === undefined ? [] : [{ family, signs, group, prefix }];
    }),
  );
  // Training checkpoints hold the network more than once (an average, optimiser states); the
  // largest dictionary is whole.
  const [best] = found.toSorted((one, other) => other.group.tensors.size - one.group.tensors.size);
  if (best === undefined)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${checkpoint.path}: no network is known whose tensors are named like these; name it with 'arch', and see "petalface inspect"`,
    );
  const { family, signs, group, prefix } = best;
  const shapes = new Map(
    [...group.tensors.values()]
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, shape }) => [name.slice(prefix.length), shape]),
  );
  try {
    return printArchitecture(parseArchitecture(signs.read(shapes, checkpoint.config ?? {})).architecture);
  } catch (cause) {
    if (!(cause instanceof Undetermined) && !(cause instanceof PetalfaceError)) throw cause;
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${checkpoint.path}: its names are those of ${family}, but ${cause.message}; say it with 'arch' ${family}:...`,
      { cause },
    );
  }
}

function prefixOf({ tensors }: TensorGroup, marker: string): string | undefined {
  for (const name of tensors.keys())
    if (name === marker || name.endsWith(`.${marker}`)) return name.slice(0, name.length - marker.length);
  return undefined;
}

/** One side of a tensor. */
function side(shapes: Shapes, name: string, axis: number): number {
  const size = shapes.get(name)?.[axis];
  if (size === undefined) throw new Undetermined(`${name} is missing`);
  return size;
}

/** How many numbered modules there are: `stem.0.tail`, `stem.1.tail`, ... */
function count(shapes: Shapes, stem: string, tail: string): number {
  let number = 0;
  while (shapes.has(`${stem}${number}${tail}`)) number++;
  return number;
}

function root(square: number, what: string): number {
  const side = Math.round(Math.sqrt(square));
  if (side * side !== square) throw new Undetermined(`${square} ${what} are not a square number`);
  return side;
}

function readSwin(shapes: Shapes): string {
  const stages = count(shapes, "layers.", ".blocks.0.norm1.weight");
  const each = <T>(read: (stage: number) => T): T[] => Array.from({ length: stages }, (_, stage) => read(stage));
  const patch = side(shapes, "patch_embed.proj.weight", 2);
  const table = (stage: number): string => `layers.${stage}.blocks.0.attn.relative_position_bias_table`;
  const window = (root(side(shapes, table(0), 0), "rows of the position table") + 1) / 2;
  const dims = each((stage) => side(shapes, `layers.${stage}.blocks.0.norm1.weight`, 0));
  return `swin:${sizes({
    image: patch * root(side(shapes, "absolute_pos_embed", 1), "positions"),
    patch,
    dims: dims.join("/"),
    depths: each((stage) => count(shapes, `layers.${stage}.blocks.`, ".norm1.weight")).join("/"),
    heads: each((stage) => side(shapes, table(stage), 1)).join("/"),
    window,
    mlp: side(shapes, "layers.0.blocks.0.mlp.fc1.weight", 0) / itemAt(dims, 0),
    embedding: side(shapes, "feature_layer.2.weight", 0),
  })}`;
}

/**
 * Sizes that arcface_torch's own networks have: their shapes tell them, though no shape shows heads
 * and image.
 */
const knownVits = ["vit_t", "vit_s", "vit_b", "vit_l", "vit_h"];

function readVit(shapes: Shapes, config: { readonly [key: string]: Plain }): string {
  const dim = side(shapes, "blocks.0.norm1.weight", 0);
  const patch = side(shapes, "patch_embed.proj.weight", 2);
  const across = root(side(shapes, "pos_embed", 1), "positions");
  const own = {
    patch,
    dim,
    depth: count(shapes, "blocks.", ".norm1.weight"),
    mlp: side(shapes, "blocks.0.mlp.fc1.weight", 0) / dim,
    embedding: side(shapes, "feature.2.weight", 0),
  };
  const said = (...keys: readonly string[]): number | undefined =>
    keys.map((key) => config[key]).find((value) => typeof value === "number");
  const heads = said("num_heads", "num_attention_heads", "heads");
  const image = said("img_size", "image_size", "image");
  if (heads !== undefined && image !== undefined) return `vit:${sizes({ ...own, image, heads })}`;
  const known = knownVits.some((name) => {
    const { architecture } = parseArchitecture(name);
    if (architecture.family !== "vit") return false;
    const { shape } = architecture;
    return (
      shape.dim === dim && shape.depth === own.depth && shape.patch === patch && Math.floor(112 / patch) === across
    );
  });
  if (!known)
    throw new Undetermined(
      `no shape shows how many heads it has (${dim} features, ${own.depth} blocks, ${across} x ${across} tokens of ${patch} pixels)`,
    );
  return `vit:${sizes({ ...own, image: 112, heads: 8 })}`;
}

function readIResNet(shapes: Shapes): string {
  const blocks = [1, 2, 3, 4].map((stage) => count(shapes, `layer${stage}.`, ".conv1.weight"));
  const depths: Readonly<Record<string, number>> = {
    "2/2/2/2": 18,
    "3/4/6/3": 34,
    "3/4/14/3": 50,
    "3/13/30/3": 100,
    "6/26/60/6": 200,
  };
  const depth = depths[blocks.join("/")];
  if (depth === undefined) throw new Undetermined(`no IResNet has ${blocks.join("/")} blocks`);
  return `iresnet:${sizes({ depth, ...faceOf(shapes, "fc.weight", side(shapes, "bn2.weight", 0)) })}`;
}

function readIr(shapes: Shapes): string {
  const blocks = count(shapes, "body.", ".res_layer.1.weight");
  const narrow = side(shapes, "body.0.res_layer.1.weight", 2) === 1;
  const depths: Readonly<Record<string, number>> = {
    "8": 18,
    "16": 34,
    "24": 50,
    "49": 100,
    "narrow 50": 152,
    "narrow 66": 200,
  };
  const depth = depths[`${narrow ? "narrow " : ""}${blocks}`];
  if (depth === undefined) throw new Undetermined(`no such network has ${blocks} blocks`);
  return `ir:${sizes({ depth, ...faceOf(shapes, "output_layer.3.weight", side(shapes, "output_layer.0.weight", 0)) })}`;
}

/**
 * Image and embedding of a network whose last layer sees every pixel of `channels`, the image
 * halved four times.
 */
function faceOf(shapes: Shapes, last: string, channels: number): { image: number; embedding: number } {
  return { image: 16 * root(side(shapes, last, 1) / channels, "pixels"), embedding: side(shapes, last, 0) };
}

function readMobileFaceNet(shapes: Shapes): string {
  const first = Math.max(1, count(shapes, "layers.1.layers.", ".layers.0.layers.0.weight"));
  const others = [3, 5, 7].map((stage) => count(shapes, `layers.${stage}.layers.`, ".layers.0.layers.0.weight"));
  return `mobilefacenet:${sizes({
    blocks: [first, ...others].join("/"),
    width: side(shapes, "layers.0.layers.0.weight", 0) / 64,
    image: 16 * side(shapes, "features.layers.0.layers.0.weight", 2),
    embedding: side(shapes, "features.layers.2.weight", 0),
  })}`;
}

function readFoamliu(shapes: Shapes): string {
  const image = 16 * side(shapes, "gdconv.depthwise.weight", 2);
  return `mobilefacenet-foamliu:${sizes({ image, embedding: side(shapes, "conv3.weight", 0) })}`;
}

const sizes = (values: Readonly<Record<string, number | string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
