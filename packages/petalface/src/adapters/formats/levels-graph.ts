import {
  type Constant,
  type Dim,
  entryOf,
  float32,
  type Graph,
  GraphBuilder,
  int64,
  type Node,
  ops,
  type Tensor,
  type ValueType,
} from "onnx-grad";
import { alphaKey, type Backbone, levelsAlpha } from "../../backbones/index.ts";
import { preprocessingMetadata } from "../../models/index.ts";
import { buildAlpha } from "../../quality/index.ts";
import type { Adapter } from "../config.ts";
import { mirrorMetadata } from "../mirror.ts";
import { alphaOutput } from "../model.ts";
import { withOwnNames } from "../own-names.ts";
import { exportedGraph } from "./export.ts";
import { type ChangeLevel, refuseWithoutLevels } from "./levels.ts";

/**
 * One graph of `count` merged networks: alpha of each image is rounded to the nearest level, and an
 * `If` for each level runs its network on the images of that level alone. So an image costs what it
 * costs in the frozen network, in every batch; the file has the weights `count` times. Outputs are
 * the embedding and the rounded alpha, as in {@link exportedGraph}.
 *
 * @throws PetalfaceError where alpha is no number from 0 to 1 that the graph can judge
 */
export async function levelsGraph(
  backbone: Backbone,
  adapter: Adapter,
  count: number,
  change: ChangeLevel = async (graph) => graph,
): Promise<Graph> {
  const { config } = adapter;
  refuseWithoutLevels(config);
  const judge = judgeOf(backbone, adapter, count);
  const branches: Branch[] = [];
  for (let level = 0; level < count; level++) {
    const alpha = level / (count - 1);
    const graph = await change(await exportedGraph(backbone, adapter, alpha), alpha);
    branches.push(branchOf(graph, level, judge, backbone.width));
  }
  return {
    ...joined(judge, branches, backbone),
    metadata: new Map([
      ...Object.entries(preprocessingMetadata(backbone.spec)),
      ...mirrorMetadata(backbone.graph),
      ["petalface.backbone", backbone.spec.sha256],
      ["petalface.gate", config.gate],
      [alphaKey, `${levelsAlpha}${count}`],
      ["petalface.calibration", JSON.stringify(config.calibration)],
    ]),
  };
}

const own = (name: string): string => `petalface/${name}`;

interface Judge {
  readonly graph: Graph;
  /** The image, as the branches use it. */
  readonly image: string;
  /** Whether an image is on a level, `[levels, N]`; and whether any is, `[levels]`. */
  readonly placed: string;
  readonly served: string;
  /** The rounded alpha `[N]`. */
  readonly alpha: string;
  readonly batch: Dim;
}

/**
 * From the image to its level. Branches use the image under another name, so that its own can
 * change.
 */
function judgeOf(backbone: Backbone, { config }: Adapter, count: number): Judge {
  const type = entryOf(backbone.graph.types, backbone.input);
  const b = new GraphBuilder({ name: backbone.graph.name, opset: backbone.graph.opset });
  const input = b.input(backbone.input, type);
  const image = own("image");
  b.alias(input, image, "image");
  const judged = buildAlpha(b, backbone, config.calibration, image, config.weights);
  const o = ops(b);
  const level = b.add("Floor", [o.add(o.mul(judged, count - 1), 0.5)]);
  const named = (value: string, name: string): string => {
    b.alias(value, name, name);
    return name;
  };
  const all = o.floats(
    Array.from({ length: count }, (_, at) => at),
    [count, 1],
  );
  const placed = named(o.equal(level, all), own("placed"));
  const served = named(o.cast(o.reduceMax(o.cast(placed, "float32"), [1], false), "bool"), own("served"));
  const alpha = named(o.div(level, count - 1), b.fresh(alphaOutput));
  const graph = withOwnNames(b.build([image, placed, served, alpha]), new Map());
  return { graph, image, placed, served, alpha, batch: batchOf(type) };
}

/** A network for the images of one level: which they are, and their embeddings. */
interface Branch {
  readonly body: Graph;
  readonly absent: Graph;
}

const batchOf = ({ shape }: ValueType): Dim => shape[0] ?? 1;

/** How many images there are on a level. */
const some: Dim = { symbol: "images", times: 1 };

function branchOf(graph: Graph, level: number, { image, placed }: Judge, width: number): Branch {
  const [input = ""] = graph.inputs;
  const [output = ""] = graph.outputs;
  const name = (value: string): string => (value === "" ? "" : own(`level ${level}/${value}`));
  const inside = (value: string): string => name(`network/${value}`);
  const [here, found, index, faces] = [name("here"), name("found"), name("index"), inside(input)];
  const type = entryOf(graph.types, input);
  const [place, flat] = [name("place"), name("flat")];
  const nodes: Node[] = [
    nodeOf("Gather", [placed, place], here, { axis: { int: 0 } }),
    nodeOf("NonZero", [here], found),
    nodeOf("Reshape", [found, flat], index),
    nodeOf("Gather", [image, index], faces, { axis: { int: 0 } }),
    ...graph.nodes.map((node) => ({
      ...node,
      name: inside(node.name),
      inputs: node.inputs.map((value) => value && inside(value)),
      outputs: node.outputs.map((value) => value && inside(value)),
    })),
  ];
  const inner = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].map(([key, value]) => [inside(key), value]);
  const rows: ValueType = { dtype: "float32", shape: [some, width] };
  const types = new Map<string, ValueType>([
    ...inner(graph.types),
    [here, { dtype: "bool", shape: [batchOf(type)] }],
    [found, { dtype: "int64", shape: [1, some] }],
    [index, { dtype: "int64", shape: [some] }],
    [faces, { ...type, shape: [some, ...type.shape.slice(1)] }],
    [inside(output), rows],
  ]);
  const constants = new Map<string, Constant>([...inner(graph.constants), [place, int64(level)], [flat, int64([-1])]]);
  const { opset } = graph;
  const common = { opset, inputs: [], metadata: new Map<string, string>() };
  const body = {
    ...common,
    name: name("network"),
    nodes,
    types,
    constants,
    outputs: [inside(output)],
  };
  const [nothing, none] = [name("nothing"), name("none")];
  const absent = {
    ...common,
    name: name("absent"),
    outputs: [none],
    nodes: [nodeOf("Identity", [nothing], none)],
    types: new Map([[none, rows]]),
    constants: new Map([[nothing, float32([], [0, width])]]),
  };
  return { body, absent };
}

/** A node of our own, named after what it puts out. */
function nodeOf(op: string, inputs: readonly string[], output: string, attributes: Node["attributes"] = {}): Node {
  const name = `${output.startsWith(own("")) ? output : own(output)} ${op}`;
  return { op, domain: "", name, inputs, outputs: [output], attributes };
}

/** Runs every branch that has images, and puts their embeddings into the order of the batch. */
function joined(judge: Judge, branches: readonly Branch[], { width, output }: Backbone): Graph {
  const { graph, placed, served, alpha, batch } = judge;
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  const nodes = [...graph.nodes];
  const add = (
    op: string,
    inputs: readonly (string | Tensor)[],
    to: string,
    type: ValueType,
    attributes: Node["attributes"] = {},
  ): string => {
    const names = inputs.map((input, at) => {
      if (typeof input === "string") return input;
      constants.set(`${to} ${at}`, input);
      return `${to} ${at}`;
    });
    nodes.push(nodeOf(op, names, to, attributes));
    types.set(to, type);
    return to;
  };
  const float = (...shape: Dim[]): ValueType => ({ dtype: "float32", shape });
  const whole = (...shape: Dim[]): ValueType => ({ dtype: "int64", shape });
  const along = { axis: { int: 0 } };
  const parts = branches.map(({ body, absent }, level) => {
    const any = add("Gather", [served, int64(level)], own(`any ${level}`), { dtype: "bool", shape: [] }, along);
    return add("If", [any], own(`rows ${level}`), float(some, width), {
      then_branch: { graph: body },
      else_branch: { graph: absent },
    });
  });
  const rows = add("Concat", parts, own("rows"), float(batch, width), along);
  // Row-major: level by level, the numbers of its images, in the order in which the rows are.
  const pairs = add("NonZero", [placed], own("pairs"), whole(2, batch));
  const order = add("Gather", [pairs, int64(1)], own("order"), whole(batch), along);
  const places = add("Reshape", [order, int64([-1, 1])], own("places"), whole(batch, 1));
  const images = add("Shape", [alpha], own("images"), whole(1));
  const shape = add("Concat", [images, int64([width])], own("shape"), whole(2), along);
  const empty = add("ConstantOfShape", [shape], own("empty"), float(batch, width));
  add("ScatterND", [empty, places, rows], output, float(batch, width));
  return { ...graph, nodes, types, constants, outputs: [output, alpha] };
}
