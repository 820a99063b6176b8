import type { Ops } from "../../build/ops.ts";
import { type Geometry, geometryOf } from "../../gradient/rules/conv.ts";
import { floatOf, intOf, intsOf } from "../../graph/attributes.ts";
import { isStatic } from "../../graph/dim.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import { int64 } from "../../graph/tensor.ts";
import { fuseNodes, type Surroundings } from "../fuse.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";
import { kernelTransform, mirrored, reach, straight, tile } from "./winograd-transforms.ts";

/**
 * Channels on either side from which on the products save more than the transforms cost; with 64 it
 * is even (docs/speed.md).
 */
const wide = 128;
/**
 * Tiles of all images together from which on it pays to make transformed kernels, which are four
 * times as large, and to read them.
 */
const many = 64;

/**
 * A kernel [out, in, 3, 3], and whether what is convolved with is its mirror image with out and in
 * exchanged (an input gradient).
 */
interface Kernel {
  readonly weight: string;
  readonly transposed: boolean;
  readonly frozen: boolean;
}

/** What the names of transformed kernels begin with. */
const stem = "WinogradKernel";

type Producers = ReadonlyMap<string, Node>;

function kernelOf(o: Ops, name: string, producers: Producers): Kernel {
  const plain = { weight: name, transposed: false, frozen: o.builder.constantOf(name) !== undefined };
  const exchange = producers.get(name);
  const flip = producers.get(exchange?.inputs[0] ?? "");
  const [weight = "", ...where] = flip?.inputs ?? [];
  if (exchange?.op !== "Transpose" || flip?.op !== "Slice" || o.builder.constantOf(weight) === undefined) return plain;
  const [starts, , axes, steps] = where.map((input) => Array.from(o.builder.tensor(input)?.data ?? [], Number).join());
  const flipped = starts === "-1,-1" && axes === "2,3" && steps === "-1,-1";
  return flipped && intsOf(exchange, "perm")?.join() === "1,0,2,3" ? { weight, transposed: true, frozen: true } : plain;
}

/** Geometry of a convolution that can be computed so; undefined for others. */
function geometryIfFit(o: Ops, node: Node): Geometry | undefined {
  const [x = "", kernel = ""] = node.inputs;
  const [y = ""] = node.outputs;
  if (![x, y, kernel].every((name) => isStatic(o.shape(name))) || o.dtype(x) !== "float32") return undefined;
  const taps = o.dims(kernel, 2);
  if (taps.join() !== "3,3") return undefined;
  const call = { o, node, x: [x, kernel, "", "", "", ""], y, g: "", grads: [] } as const;
  const geometry = geometryOf(call, taps, x, y);
  const { group, strides, dilations } = geometry;
  return [group, ...strides, ...dilations].every((value) => value === 1) ? geometry : undefined;
}

/** Whether it gains to cut tiles and to transform a kernel for this convolution alone. */
function isWorth(o: Ops, node: Node, { narrow }: Geometry): boolean {
  const [outer = 0, inner = 0] = o.dims(itemAt(node.inputs, 1));
  const [batch = 0] = o.dims(itemAt(node.inputs, 0));
  return Math.min(inner, outer) >= wide && tilesOf(narrow).reduce((a, b) => a * b, batch) >= many;
}

const tilesOf = (size: readonly number[]): number[] => size.map((length) => Math.ceil(length / tile));

const range = (count: number): number[] => [...Array(count).keys()];

/**
 * Rows of pixels that lie [image, y, x], in the order in which the products read them: [place in a
 * tile, image, tile]; behind the last image is a row of zeros.
 */
function gathered(batch: number, { wide: [height = 0, width = 0], before, narrow }: Geometry): number[] {
  const [down = 0, along = 0] = tilesOf(narrow);
  const [top = 0, left = 0] = before;
  const places = range(reach).flatMap((i) => range(reach).map((j) => [i - top, j - left] as const));
  const corners = range(down).flatMap((p) => range(along).map((q) => [p * tile, q * tile] as const));
  return places.flatMap(([i, j]) =>
    range(batch).flatMap((image) =>
      corners.map(([p, q]) => {
        const [y, x] = [p + i, q + j];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        return inside ? (image * height + y) * width + x : batch * height * width;
      }),
    ),
  );
}

/** Where the pixels [image, y, x] of the result lie among [place in a tile, image, tile]. */
function scattered(batch: number, { narrow: [height = 0, width = 0] }: Geometry): number[] {
  const [down = 0, along = 0] = tilesOf([height, width]);
  return range(batch).flatMap((image) =>
    range(height).flatMap((y) =>
      range(width).map((x) => {
        const place = (y % tile) * tile + (x % tile);
        return ((place * batch + image) * down + Math.floor(y / tile)) * along + Math.floor(x / tile);
      }),
    ),
  );
}

/** Values that several convolutions share, by a key each. */
interface Shared {
  has(key: string): boolean;
  get(key: string, make: () => string): string;
}

function shared(): Shared {
  const made = new Map<string, string>();
  return {
    has: (key) => made.has(key),
    get(key, make) {
      const name = made.get(key) ?? make();
      made.set(key, name);
      return name;
    },
  };
}

/** By what the transformed tiles of a value are shared. */
const tilesKey = (x: string, { wide: size, before, after }: Geometry): string =>
  JSON.stringify(["tiles of", x, size, before, after]);

/** The convolution of `x` as rows of channels, [image y x, out]. */
function convolved(
  o: Ops,
  x: string,
  { weight, transposed, frozen }: Kernel,
  geometry: Geometry,
  share: Shared,
): string {
  const [batch = 0, inner = 0] = o.dims(x);
  const [first = 0, second = 0] = o.dims(weight);
  const outer = transposed ? second : first;
  const transforms = transposed ? mirrored : straight;
  const matrix = (rows: readonly (readonly number[])[]): string =>
    share.get(JSON.stringify(rows), () => o.floats(rows.flat(), [rows.length, rows[0]?.length ?? 0]));
  const rowsAt = (value: string, kind: string, indices: () => number[]): string => {
    const { wide: size, before, after } = geometry;
    const key = JSON.stringify([kind, batch, size, before, after]);
    return o.builder.add("Gather", [value, share.get(key, () => o.builder.constant(int64(indices()), kind))]);
  };
  const places = reach ** 2;
  const tiles = tilesOf(geometry.narrow).reduce((a, b) => a * b, batch);
  const transform = (): string => {
    const pixels = geometry.wide.reduce((a, b) => a * b, batch);
    const rows = o.reshape(o.transpose(x, [0, 2, 3, 1]), [pixels, inner]);
    const border = share.get(`border ${inner}`, () => o.floats(new Float32Array(inner), [1, inner]));
    const cut = rowsAt(o.concat([rows, border], 0), "tiles", () => gathered(batch, geometry));
    const result = o.matmul(matrix(transforms.input), o.reshape(cut, [places, tiles * inner]));
    return o.reshape(result, [reach, reach, tiles, inner]);
  };
  // [6, 6, in, out] of the kernel as it lies in the file: one node, so that nothing between is made
  // at the start.
  const kernel = share.get(`kernel ${weight}`, () => {
    const axis = matrix(kernelTransform);
    const equation = { equation: { string: "ay,bx,oiyx->abio" } };
    return o.builder.add("Einsum", [axis, axis, weight], equation, frozen ? { name: stem } : {});
  });
  const input = transposed ? transform() : share.get(tilesKey(x, geometry), transform);
  const product = o.matmul(input, transposed ? o.swap(kernel) : kernel);
  const output = o.matmul(matrix(transforms.output), o.reshape(product, [places, tiles * outer]));
  return rowsAt(o.reshape(output, [tile ** 2 * tiles, outer]), "pixels", () => scattered(batch, geometry));
}

/** Scale and shift of a batch normalisation in inference form whose numbers are constants. */
function affineOf(o: Ops, node: Node, x: string): { scale: string; shift: string } | undefined {
  const [input, scale = "", bias = "", mean = "", variance = ""] = node.inputs;
  const known = [scale, bias, mean, variance].every((name) => o.builder.constantOf(name) !== undefined);
  if (node.op !== "BatchNormalization" || input !== x || !known || intOf(node, "training_mode", 0) !== 0)
    return undefined;
  const factor = o.div(scale, o.sqrt(o.add(variance, floatOf(node, "epsilon", 1e-5))));
  return { scale: factor, shift: o.sub(bias, o.mul(mean, factor)) };
}

/**
 * A product with transformed kernels that are swapped, as onnxruntime's own that reads them so: as
 * two nodes, the swapped kernels would be made at the start, and lie in memory once more.
 */
function readTransposed(node: Node, { producer }: Surroundings): Node | undefined {
  const [x = "", swapped = ""] = node.inputs;
  const swap = producer(swapped);
  const [kernel = ""] = swap?.inputs ?? [];
  const isKernel = kernel.startsWith(stem) && producer(kernel)?.op === "Einsum";
  if (node.op !== "MatMul" || swap?.op !== "Transpose" || !isKernel) return undefined;
  return {
    ...node,
    op: "FusedMatMul",
    domain: "com.microsoft",
    inputs: [x, kernel],
    attributes: { transB: { int: 1 } },
  };
}

/**
 * Convolutions by frozen 3 x 3 kernels without strides as Winograd's minimal filtering F(4x4, 3x3):
 * a quarter of the multiplications, for transforms that are products with small matrices.
 * onnxruntime's CPU provider has no such kernel (1.30). Pixels lie as rows of channels meanwhile,
 * so that cutting tiles and joining them are Gathers of whole rows. The kernel is transformed when
 * the session starts, once for the convolution and its input gradient. Three to five times the
 * rounding error of a plain convolution (1e-6). A frozen convolution's own shapes decide whether it
 * is computed so: a network and the same network with adapters decide alike.
 */
export const winograd: Pass = {
  name: "winograd",
  targets: ["cpu"],
  exact: true,
  run: (graph) => {
    const producers: Producers = new Map(
      graph.nodes.flatMap((node) => node.outputs.map((out) => [out, node] as const)),
    );
    const onlyReader = onlyReaders(graph);
    const share = shared();
    const normalised = new Set<string>();
    const rewritten = replaceNodes(graph, isConvolutionOrNorm, (o, node) => {
      const [x = "", weight = "", bias = ""] = node.inputs;
      if (node.op !== "Conv") return normalised.has(node.name) ? [x] : undefined;
      const kernel = kernelOf(o, weight, producers);
      const geometry = geometryIfFit(o, node);
      if (geometry === undefined) return undefined;
      // The thin convolution of an adapter reads the tiles that its layer has cut.
      const gains = kernel.frozen ? isWorth(o, node, geometry) : share.has(tilesKey(x, geometry));
      if (!gains) return undefined;
      const [y = ""] = node.outputs;
      const [batch = 1, outer = 1, ...size] = o.dims(y);
      const linear = convolved(o, x, kernel, geometry, share);
      const biased = bias === "" ? linear : o.add(linear, bias);
      const norm = onlyReader.get(y);
      const affine = norm && affineOf(o, norm, y);
      if (affine !== undefined) normalised.add(norm?.name ?? "");
      const rows = affine === undefined ? biased : o.add(o.mul(biased, affine.scale), affine.shift);
      return [o.transpose(o.reshape(rows, [batch, ...size, outer]), [0, 3, 1, 2])];
    });
    return rewritten === graph ? graph : fuseNodes(rewritten, readTransposed);
  },
};

const isConvolutionOrNorm = ({ op, domain }: Node): boolean =>
  domain === "" && (op === "Conv" || op === "BatchNormalization");

/** The one node that reads a value, where it is one and the value is not an output. */
function onlyReaders(graph: Graph): ReadonlyMap<string, Node> {
  const readers = new Map<string, Node | undefined>(graph.outputs.map((output) => [output, undefined]));
  for (const node of graph.nodes)
    for (const input of node.inputs) readers.set(input, readers.has(input) ? undefined : node);
  return new Map([...readers].flatMap(([value, node]) => (node === undefined ? [] : [[value, node]])));
}
