import {
  type Constant,
  type Dim,
  type ExternalTensor,
  type Graph,
  GraphBuilder,
  itemAt,
  type Ops,
  ops,
  type Shape,
  sizeOf,
  timesDim,
} from "onnx-grad";

/**
 * A network whose weights are not known yet: `graph` is complete but for the constants that
 * `tensors` names, which are empty places. The batch is open. `fillNetwork` puts the weights in.
 */
export interface Network {
  readonly graph: Graph;
  /**
   * Names and shapes of the weights, those of the network's PyTorch state dict; the graph's
   * constants have the same names.
   */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/** Geometry of a convolution. Padding is the same on all sides. */
interface Window {
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly group?: number;
  readonly bias?: boolean;
}

/** What {@link layers} makes. */
export type Layers = ReturnType<typeof layers>;

/** The file of a weight that is not filled in. */
const nowhere = "";

/**
 * The layers that the networks are made of, as PyTorch means them. Each node is named after its
 * module and each weight after its tensor in the state dict, so that layers can be picked and
 * adapters read by these names; the value that module `m` puts out is `m_out`.
 */
export function layers(name: string, size: number) {
  const b = new GraphBuilder({ name, opset: 20 });
  const o: Ops = ops(b);
  const tensors = new Map<string, readonly number[]>();
  const image = b.input("image", { dtype: "float32", shape: [{ symbol: "N", times: 1 }, 3, size, size] });

  /** A weight `shape` of the state dict, laid out as `dims` in the graph. */
  const weight = (tensor: string, shape: readonly number[], dims: readonly number[] = shape): string => {
    tensors.set(tensor, shape);
    const length = 4 * sizeOf(dims);
    const place: ExternalTensor = { dtype: "float32", dims, file: nowhere, offset: 0, length };
    return b.constant(place, tensor);
  };
  const channels = (x: string): number => o.dim(x, 1);
  const features = (x: string): number => o.dim(x, -1);

  return {
    o,
    image,
    weight,
    features,

    /** A second input `[N, ...dims]`. */
    input: (input: string, dims: readonly number[]): string =>
      b.input(input, { dtype: "float32", shape: [{ symbol: "N", times: 1 }, ...dims] }),

    /** A product over the last axis plus a bias: `x W' + b`, W `[to, from]`. */
    linear(x: string, module: string, to: number, options: { readonly bias?: boolean } = {}): string {
      const from = features(x);
      const shape = o.shape(x);
      const inputs = [
        o.reshape(x, [rowsOf(shape), from]),
        weight(`${module}.weight`, [to, from]),
        ...(options.bias === false ? [] : [weight(`${module}.bias`, [to])]),
      ];
      const y = b.add("Gemm", inputs, { transB: { int: 1 } }, { name: module });
      return o.reshape(y, [...shape.slice(0, -1), to]);
    },

    conv(x: string, module: string, to: number, window: Window): string {
      const { kernel, stride = 1, pad = 0, group = 1, bias = false } = window;
      const inputs = [
        x,
        weight(`${module}.weight`, [to, channels(x) / group, kernel, kernel]),
        ...(bias ? [weight(`${module}.bias`, [to])] : []),
      ];
      const attributes = {
        kernel_shape: { ints: [kernel, kernel] },
        strides: { ints: [stride, stride] },
        pads: { ints: [pad, pad, pad, pad] },
        group: { int: group },
      };
      return b.add("Conv", inputs, attributes, { name: module });
    },

    /** Over the last axis. */
    layerNorm(x: string, module: string): string {
      const inputs = [x, ...["weight", "bias"].map((part) => weight(`${module}.${part}`, [features(x)]))];
      const attributes = { axis: { int: -1 }, epsilon: { float: 1e-5 } };
      return b.add("LayerNormalization", inputs, attributes, { name: module });
    },

    /**
     * Of axis 1, with the statistics that the state dict holds. `affine: false`: without weight and
     * bias.
     */
    batchNorm(
      x: string,
      module: string,
      options: { readonly epsilon?: number; readonly affine?: boolean } = {},
    ): string {
      const { epsilon = 1e-5, affine = true } = options;
      const size = [channels(x)];
      const own = (part: string, otherwise: number): string =>
        affine ? weight(`${module}.${part}`, size) : o.full(otherwise, size, x);
      const inputs = [
        x,
        own("weight", 1),
        own("bias", 0),
        weight(`${module}.running_mean`, size),
        weight(`${module}.running_var`, size),
      ];
      return b.add("BatchNormalization", inputs, { epsilon: { float: epsilon } }, { name: module });
    },

    /** One slope a channel (axis 1). */
    prelu(x: string, module: string): string {
      const slope = weight(`${module}.weight`, [channels(x)], [channels(x), 1, 1]);
      return b.add("PRelu", [x, slope], {}, { name: module });
    },

    /** The exact Gaussian error linear unit. */
    gelu: (x: string): string => b.add("Gelu", [x]),

    /** A sum that stands for the output of a module. */
    sum: (x: string, y: string, module: string): string => b.add("Add", [x, y], {}, { name: module }),

    /** All axes but the first joined: channels slow, columns fast. */
    flatten(x: string): string {
      return o.reshape(x, [itemAt(o.shape(x), 0), sizeOf(o.dims(x, 1))]);
    },

    /** The image cut into squares, each a token `[N, tokens, dim]`, row by row. */
    patches(module: string, patch: number, dim: number): string {
      const grid = this.conv(image, module, dim, { kernel: patch, stride: patch, bias: true });
      const tokens = sizeOf(o.dims(grid, 2));
      return o.transpose(o.reshape(grid, [itemAt(o.shape(grid), 0), dim, tokens]), [0, 2, 1]);
    },

    /** Finishes the network with this embedding `[N, width]` as its output. */
    done: (embedding: string): Network => {
      const output = b.fresh("embedding");
      b.alias(embedding, output, "output");
      const graph = b.build([output]);
      // Weights that only training needs stay too.
      const unused = [...tensors.keys()].flatMap((tensor) => {
        const place = graph.constants.has(tensor) ? undefined : b.constantOf(tensor);
        return place === undefined ? [] : [[tensor, place] as const];
      });
      return { graph: { ...graph, constants: new Map([...graph.constants, ...unused]) }, tensors };
    },
  };
}

/**
 * The network's graph with its weights.
 *
 * @param weightOf a weight by its name in the state dict, in memory or in a file, row-major float32
 */
export function fillNetwork({ graph, tensors }: Network, weightOf: (tensor: string) => Constant): Graph {
  const constants = [...graph.constants].map(([name, place]): [string, Constant] => [
    name,
    tensors.has(name) ? { ...weightOf(name), dims: place.dims } : place,
  ]);
  return { ...graph, constants: new Map(constants) };
}

/** The product of all dimensions but the last, of which one may be open. */
function rowsOf(shape: Shape): Dim {
  const outer = shape.slice(0, -1);
  const known = sizeOf(outer.filter((dim) => typeof dim === "number"));
  const open = outer.find((dim) => typeof dim !== "number");
  return open === undefined ? known : timesDim(open, known);
}
