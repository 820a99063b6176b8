import { readTensor } from "../format/decode.ts";
import { streamRange } from "../format/encode.ts";
import type { Graph } from "../graph/graph.ts";
import { type Constant, isExternal, sizeOf } from "../graph/tensor.ts";

/** Of a tensor's numbers: fewer cost less time than a copy of the tensor costs memory. */
const worthCopying = 1e-5;

/**
 * How many of some float32 numbers, given by their bits, are subnormal: closer to zero than 2^-126,
 * and not zero.
 */
function countSubnormals(bits: Uint32Array): number {
  let count = 0;
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i] & 0x7fffffff;
    if (magnitude < 0x00800000 && magnitude !== 0) count++;
  }
  return count;
}

async function subnormalsOf(constant: Constant): Promise<number> {
  if (!isExternal(constant)) {
    const { data } = constant;
    return data instanceof Float32Array
      ? countSubnormals(new Uint32Array(data.buffer, data.byteOffset, data.length))
      : 0;
  }
  let count = 0;
  let rest = new Uint8Array(0);
  for await (const piece of streamRange(constant)) {
    let bytes = piece;
    if (rest.length > 0 || piece.byteOffset % 4 !== 0) {
      bytes = new Uint8Array(rest.length + piece.length);
      bytes.set(rest);
      bytes.set(piece, rest.length);
    }
    count += countSubnormals(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2));
    rest = bytes.slice(bytes.length & ~3);
  }
  return count;
}

/**
 * Names of the float32 constants in which more than one of 100,000 numbers is subnormal (below
 * 1.2e-38). Training with weight decay leaves them in channels that died. Many processors take over
 * a hundred times as long for a product with such a number.
 *
 * @throws the operating system's error if a weights file cannot be read
 */
export async function findSubnormals(graph: Graph): Promise<string[]> {
  const found: string[] = [];
  for (const [name, constant] of graph.constants) {
    if (constant.dtype !== "float32") continue;
    if ((await subnormalsOf(constant)) > worthCopying * sizeOf(constant.dims)) found.push(name);
  }
  return found;
}

/**
 * A graph in which the subnormal numbers of some constants are zero. No result changes but by sums
 * of such numbers: a float32 sum of anything larger rounds them away.
 *
 * @param names float32 constants, as {@link findSubnormals} gives them; they are read into memory
 */
export function flushSubnormals(graph: Graph, names: readonly string[]): Graph {
  const constants = new Map(graph.constants);
  for (const name of names) {
    const constant = constants.get(name);
    if (constant?.dtype !== "float32") continue;
    const { dims, data } = readTensor(constant);
    const flushed = Float32Array.from(data as Float32Array, (value) =>
      Math.abs(value) < 2 ** -126 ? value * 0 : value,
    );
    constants.set(name, { dtype: "float32", dims, data: flushed });
  }
  return names.length === 0 ? graph : { ...graph, constants };
}
