import { open } from "node:fs/promises";
import { readTensor } from "../format/decode.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { type Constant, type ExternalTensor, floatData, isExternal, sizeOf } from "../graph/tensor.ts";

/**
 * Weights and biases of products, and slopes of PRelu, are negligible from 2^-48 of the largest one
 * of their tensor down: a float32 holds 24 bits, so next to any other they are lost twice over.
 */
const negligibleBits = 48;

/** Of a tensor's numbers: fewer cost less time than a copy of the tensor costs memory. */
const worthCopying = 1e-5;

/** Which inputs of an operator are weights, biases or slopes. */
const weightInputs: Readonly<Record<string, readonly number[]>> = {
  MatMul: [0, 1],
  Gemm: [0, 1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  // What a dead channel's slope makes of it is the next product's operand.
  PRelu: [1],
};

/** The constants that nothing but operators of {@link weightInputs} use, as such. */
function weightsOf(graph: Graph): ReadonlySet<string> {
  const weights = new Set<string>();
  const others = new Set<string>(graph.outputs);
  for (const { op, domain, inputs } of graph.nodes)
    inputs.forEach((name, at) => {
      const isWeight = domain === "" && weightInputs[op]?.includes(at) === true;
      (isWeight ? weights : others).add(name);
    });
  for (const name of others) weights.delete(name);
  return weights;
}

/**
 * Adds how many of some float32 numbers, given by their bits, have each exponent; zeros do not
 * count.
 */
function countExponents(bits: Uint32Array, counts: Uint32Array): void {
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i] & 0x7fffffff;
    if (magnitude !== 0) counts[magnitude >>> 23]++;
  }
}

/** Bytes that are read at a time: a multiple of a number's four. */
const pieceBytes = 1 << 20;

/** A place for a piece that is read, and one for the piece that is counted meanwhile. */
type Buffers = readonly [Uint8Array, Uint8Array];

/**
 * Counts the numbers of a tensor in a file. The buffers take turns: new ones for each piece, as
 * streams have, would take longer than the counting.
 */
async function countInFile(
  { file: path, offset, length }: ExternalTensor,
  counts: Uint32Array,
  buffers: Buffers,
): Promise<void> {
  const file = await open(path);
  try {
    const fill = async (buffer: Uint8Array, start: number): Promise<number> => {
      const size = Math.min(pieceBytes, length - start);
      for (let done = 0; done < size; ) {
        const { bytesRead } = await file.read(buffer, done, size - done, offset + start + done);
        if (bytesRead === 0) throw new OnnxGradError(`${path}: ends before byte ${offset + length}; was it replaced?`);
        done += bytesRead;
      }
      return size;
    };
    let [counting, filling] = buffers;
    let next = fill(filling, 0);
    for (let start = 0; start < length; start += pieceBytes) {
      const size = await next;
      [counting, filling] = [filling, counting];
      if (start + pieceBytes < length) next = fill(filling, start + pieceBytes);
      countExponents(new Uint32Array(counting.buffer, 0, size >> 2), counts);
    }
  } finally {
    await file.close();
  }
}

async function exponentsOf(constant: Constant, buffers: Buffers): Promise<Uint32Array> {
  const counts = new Uint32Array(256);
  if (isExternal(constant)) await countInFile(constant, counts, buffers);
  else if (constant.data instanceof Float32Array) {
    const { buffer, byteOffset, length } = constant.data;
    countExponents(new Uint32Array(buffer, byteOffset, length), counts);
  }
  return counts;
}

/**
 * The exponent, as float32 stores it, below which numbers are negligible: subnormal ones always.
 */
function leastExponent(counts: Uint32Array, isWeight: boolean): number {
  // Infinity and NaN, 255, say nothing about the others.
  let largest = 254;
  while (largest > 0 && counts[largest] === 0) largest--;
  return isWeight ? Math.max(1, largest - negligibleBits) : 1;
}

/**
 * Names of the float32 constants in which more than one of 100,000 numbers is negligible:
 * subnormal (below 1.2e-38) or, in weights and biases of products and slopes of PRelu, below 2^-48
 * of the largest. Training with weight decay leaves them in channels that died. Products with them
 * give subnormal numbers, for which many processors take over a hundred times as long.
 *
 * @throws the operating system's error if a weights file cannot be read
 */
export async function findNegligible(graph: Graph): Promise<string[]> {
  const weights = weightsOf(graph);
  const found: string[] = [];
  const buffers = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)] as const;
  for (const [name, constant] of graph.constants) {
    if (constant.dtype !== "float32") continue;
    const counts = await exponentsOf(constant, buffers);
    const negligible = counts.subarray(0, leastExponent(counts, weights.has(name)));
    const count = negligible.reduce((sum, each) => sum + each, 0);
    if (count > worthCopying * sizeOf(constant.dims)) found.push(name);
  }
  return found;
}

/**
 * A graph in which the negligible numbers of some constants are zero. No result changes but sums of
 * such numbers alone: a float32 sum of anything larger rounds them away.
 *
 * @param names float32 constants, as {@link findNegligible} gives them; they are read into memory
 */
export function flushNegligible(graph: Graph, names: readonly string[]): Graph {
  const weights = weightsOf(graph);
  const constants = new Map(graph.constants);
  for (const name of names) {
    const constant = constants.get(name);
    if (constant?.dtype !== "float32") continue;
    const numbers = floatData(readTensor(constant));
    const counts = new Uint32Array(256);
    countExponents(new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length), counts);
    const least = 2 ** (leastExponent(counts, weights.has(name)) - 127);
    const flushed = numbers.map((value) => (Math.abs(value) < least ? value * 0 : value));
    constants.set(name, { dtype: "float32", dims: constant.dims, data: flushed });
  }
  return names.length === 0 ? graph : { ...graph, constants };
}
