import { readTensor } from "../format/decode.ts";
import { bytesOf, bytesOfTensor, tensorOfBytes } from "../graph/dtypes.ts";
import type { Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type Opening, oldShape } from "./opening.ts";

/** Operators that broadcast their inputs. */
const BROADCASTING: ReadonlySet<string> = new Set(
  "Add Sub Mul Div Pow Min Max Sum Mean Where PRelu Equal Greater Less And Or".split(" "),
);

/**
 * Exporters that fold constants leave `token.expand(batch, ...)` as one copy for each image of the
 * traced batch. The node with the first copy in place of such constants, which broadcasting hands
 * to every image.
 */
export function unrepeat(opening: Opening, node: Node): Node {
  if (!BROADCASTING.has(node.op)) return node;
  const carrier = itemAt(
    node.inputs.filter((input) => opening.places.has(input)),
    0,
  );
  const fromEnd = oldShape(opening, carrier).length - (opening.places.get(carrier)?.axis ?? 0);
  const inputs = node.inputs.map((input) => {
    const axis = (opening.old.constants.get(input)?.dims.length ?? 0) - fromEnd;
    return axis < 0 ? input : firstCopy(opening, input, axis);
  });
  return { ...node, inputs };
}

/**
 * The first part along `axis` of a constant that holds the same part for each image; other values
 * as they are.
 */
export function firstCopy(opening: Opening, name: string, axis: number): string {
  const constant = opening.old.constants.get(name);
  if (constant === undefined || opening.batch === 1 || constant.dims[axis] !== opening.batch) return name;
  const tensor = readTensor(constant);
  const { dims, data } = tensor;
  const width = sizeOf(dims.slice(axis + 1));
  const stride = width * opening.batch;
  for (let i = 0; i < data.length; i++) {
    const first = i - (i % stride) + (i % width);
    if (!Object.is(data[i], data[first])) return name;
  }
  const size = bytesOf(tensor.dtype);
  const kept = bytesOfTensor(tensor).filter((_, at) => Math.floor(at / size) % stride < width);
  const copy = opening.fresh(`${name}_once`);
  const once = dims.map((dim, at) => (at === axis ? 1 : dim));
  opening.constants.set(copy, tensorOfBytes(tensor.dtype, once, kept));
  return copy;
}
