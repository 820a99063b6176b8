import { evaluate } from "../fold/evaluate.ts";
import { type Known, knownOf } from "../fold/values.ts";
import type { Shape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Attributes, Graph, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { freshNames } from "../graph/names.ts";
import { prune } from "../graph/prune.ts";
import type { Constant, Tensor } from "../graph/tensor.ts";
import type { InferContext } from "../infer/context.ts";
import { contextOf } from "../infer/context.ts";
import { inferNode } from "../infer/infer.ts";

/** Options of {@link GraphBuilder.add} beyond the operator, its inputs and attributes. */
export interface AddOptions {
  /** How many outputs the node has; 1 unless given. */
  readonly outputs?: number;
  /** Operator set; standard ONNX unless given. */
  readonly domain?: string;
  /** Stem of the names of the node and its outputs; the operator unless given. */
  readonly name?: string;
}

/**
 * Collects nodes in topological order, typing each as it comes, and ends in a {@link Graph}.
 * A class because it has a life cycle: start (empty or from a graph), add, build.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #opset: number;
  readonly #inputs: string[];
  readonly #nodes: Node[];
  readonly #types: Map<string, ValueType>;
  readonly #constants: Map<string, Constant>;
  readonly #metadata: Map<string, string>;
  readonly #taken: Set<string>;
  /** Shape arithmetic that holds the open batch: what shapes of later nodes may follow from. */
  readonly #arithmetic = new Map<string, Known>();
  readonly #context: InferContext;
  readonly #fresh: (stem: string) => string;

  /**
   * Starts from a graph (which stays as it is), or empty with a name and an operator set version.
   */
  constructor(start: Graph | { readonly name: string; readonly opset: number }) {
    const from = "nodes" in start ? start : undefined;
    this.#name = start.name;
    this.#opset = start.opset;
    this.#inputs = [...(from?.inputs ?? [])];
    this.#nodes = [...(from?.nodes ?? [])];
    this.#types = new Map(from?.types);
    this.#constants = new Map(from?.constants);
    this.#metadata = new Map(from?.metadata);
    // Node names too: onnxruntime refuses two nodes of one name.
    const names = this.#nodes.map((node) => node.name);
    this.#taken = new Set([...this.#types.keys(), ...this.#constants.keys(), ...names]);
    this.#fresh = freshNames(this.#taken);
    this.#context = {
      ...contextOf(this.#opset, this.#types, this.#constants),
      dims: (name) => this.#arithmetic.get(name)?.values,
    };
    for (const node of this.#nodes) this.#calculate(node);
  }

  /** Version of the standard operator set. */
  get opset(): number {
    return this.#opset;
  }

  /** An unused name, close to `stem`. */
  fresh(stem: string): string {
    return this.#fresh(stem);
  }

  /** Declares a graph input. Throws if the name is taken. */
  input(name: string, type: ValueType): string {
    this.#claim(name);
    this.#inputs.push(name);
    this.#types.set(name, type);
    return name;
  }

  /** Stores a constant and returns its name. */
  constant(value: Constant, stem = "constant"): string {
    const name = this.fresh(stem);
    this.#constants.set(name, value);
    return name;
  }

  /**
   * Appends a node with one output (or as many as asked) and returns the output names. Throws if
   * the node cannot be typed.
   */
  addAll(op: string, inputs: readonly string[], attributes: Attributes = {}, options: AddOptions = {}): string[] {
    const stem = options.name ?? op;
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => this.fresh(`${stem}_out`));
    const node: Node = { op, domain: options.domain ?? "", name: this.fresh(stem), inputs, outputs, attributes };
    this.push(node);
    return outputs;
  }

  /** Appends a node and returns its first output. */
  add(op: string, inputs: readonly string[], attributes: Attributes = {}, options: AddOptions = {}): string {
    return itemAt(this.addAll(op, inputs, attributes, options), 0);
  }

  /**
   * Gives a value another name, by an Identity node. `name` must be new; {@link fresh} makes such
   * names.
   */
  alias(value: string, name: string, nodeStem = "Identity"): void {
    const node = { op: "Identity", domain: "", name: this.fresh(nodeStem), inputs: [value], outputs: [name] };
    this.push({ ...node, attributes: {} });
  }

  /** Keeps the names of a graph's nodes and values for itself, before they are pushed. */
  reserve(graph: Graph): void {
    for (const node of graph.nodes) for (const name of [node.name, ...node.outputs]) if (name !== "") this.fresh(name);
  }

  /**
   * Appends a finished node whose output names the caller chose (they must be new) and types its
   * outputs.
   */
  push(node: Node): void {
    const types = inferNode(node, this.#context);
    node.outputs.forEach((output, index) => {
      if (output === "") return;
      const type = types[index];
      if (type === undefined) throw new OnnxGradError(`${node.op} node "${node.name}" has no output ${index}`);
      this.#taken.add(output);
      this.#types.set(output, type);
    });
    this.#taken.add(node.name);
    this.#nodes.push(node);
    this.#calculate(node);
  }

  /** The type of any value: input, constant or node output. Throws if there is no such value. */
  type(name: string): ValueType {
    return this.#context.type(name);
  }

  /** The shape of any value. */
  shape(name: string): Shape {
    return this.type(name).shape;
  }

  /** The constant behind a name, if it is a constant. */
  constantOf(name: string): Constant | undefined {
    return this.#constants.get(name);
  }

  /** The constant behind a name if its numbers are in memory. */
  tensor(name: string): Tensor | undefined {
    return this.#context.tensor(name);
  }

  /** Sets an entry of the model's metadata_props. */
  setMetadata(key: string, value: string): void {
    this.#metadata.set(key, value);
  }

  /**
   * The finished graph with these outputs; nodes and constants that no output needs are left out.
   */
  build(outputs: readonly string[]): Graph {
    for (const output of outputs) this.type(output);
    return prune({
      name: this.#name,
      opset: this.#opset,
      inputs: [...this.#inputs],
      outputs: [...outputs],
      nodes: this.#nodes,
      types: this.#types,
      constants: this.#constants,
      metadata: new Map(this.#metadata),
    });
  }

  #calculate(node: Node): void {
    const [output = ""] = node.outputs;
    const type = this.#types.get(output);
    if (type?.dtype !== "int64" && type?.dtype !== "bool") return;
    const inputs = node.inputs.map((input) => {
      const constant = this.#constants.get(input);
      return this.#arithmetic.get(input) ?? (constant && knownOf(constant));
    });
    const value = evaluate(node, type, inputs, this.#context);
    if (value !== undefined) this.#arithmetic.set(output, value);
  }

  #claim(name: string): void {
    if (this.#taken.has(name)) throw new OnnxGradError(`value "${name}" is defined twice`);
    this.#taken.add(name);
  }
}
