import { PetalfaceError } from "../../errors.ts";
import {
  add,
  block,
  compile,
  constant,
  engine,
  get,
  i32,
  isBelow,
  isNotBelow,
  jump,
  jumpIf,
  load8x8Signed,
  loop,
  multiply,
  set,
  simd,
  unsigned,
  v128,
} from "../../webassembly.ts";

/**
 * A module of WebAssembly that multiplies rows of 8-bit codes with probes of 16 bits, 8 products an
 * instruction:
 *
 *     dots(codes, stride, count, probes, n, out):
 *       for row in 0..count: for probe in 0..n:
 *         out[probe * count + row] =
 *           sum over at of codes[row * stride + at] * probes[probe * stride + at]
 *
 * Addresses are in bytes; `codes` are int8, `probes` int16 and `out` int32. `stride` is a multiple
 * of 16.
 */
export interface DotsExports {
  dots(codes: number, stride: number, count: number, probes: number, n: number, out: number): void;
}

/** Memory that threads share and the module reads and writes. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  /** Adds pages of 64 KiB; returns how many there were. */
  grow(pages: number): number;
}

const load = (offset: number): number[] => simd(0x00, 4, ...unsigned(offset));
const zeros = simd(0x0c, ...Array.from({ length: 16 }, () => 0));
const dot = simd(0xba);
const add4 = simd(0xae);
const lane = (number: number): number[] => simd(0x1b, number);
const store = [0x36, 2, 0];

/** Parameters and variables of the function. */
const [codes, stride, count, probes, n, out, row, probe, left, right, end] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;
const [even, odd] = [11, 12] as const;

const products = (offset: number, sum: number): number[][] => [
  get(sum),
  ...[get(left), load8x8Signed(offset), get(right), load(2 * offset), dot],
  ...[add4, set(sum)],
];

const body = block(
  loop(
    ...[get(row), get(count), isNotBelow, jumpIf(1)],
    ...[constant(0), set(probe), get(probes), set(right)],
    block(
      loop(
        ...[get(probe), get(n), isNotBelow, jumpIf(1)],
        ...[get(codes), set(left), get(codes), get(stride), add, set(end)],
        ...[zeros, set(even), zeros, set(odd)],
        loop(
          ...[...products(0, even), ...products(8, odd)],
          ...[get(left), constant(16), add, set(left), get(right), constant(32), add, set(right)],
          ...[get(left), get(end), isBelow, jumpIf(0)],
        ),
        ...[get(out), get(probe), get(count), multiply, get(row), add, constant(4), multiply, add],
        ...[get(even), get(odd), add4, set(even)],
        ...[get(even), lane(0), get(even), lane(1), add, get(even), lane(2), add, get(even), lane(3), add, store],
        ...[get(probe), constant(1), add, set(probe), jump(0)],
      ),
    ),
    ...[get(codes), get(stride), add, set(codes), get(row), constant(1), add, set(row), jump(0)],
  ),
);

/** Bytes of a page of WebAssembly's memory. */
export const pageBytes = 65_536;
/** Pages that a memory of WebAssembly has at most. */
const mostPages = 65_536;
/** Of the memory that a module imports: shared (3), with a maximum. */
export const sharedLimits: readonly number[] = [3, ...unsigned(1), ...unsigned(mostPages)];

/** The module; it imports its memory, which is shared between threads, as `env.memory`. */
export const dotsModule = (): object =>
  compile({
    name: "dots",
    parameters: 6,
    variables: [
      [5, i32],
      [2, v128],
    ],
    body,
    memory: sharedLimits,
  });

/** Memory for the module, of so many pages of 64 KiB; it can grow to 4 GiB. */
export const sharedMemory = (pages: number): SharedMemory =>
  new (engine<SharedMemory>().Memory)({ initial: pages, maximum: mostPages, shared: true });

/**
 * Room for codes at the end of a memory.
 *
 * @throws PetalfaceError where it cannot grow so far
 */
export function allocateIn(memory: SharedMemory, bytes: number): Int8Array {
  let before: number;
  try {
    before = memory.grow(Math.ceil(bytes / pageBytes));
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_SYSTEM_FAILED",
      `${(bytes / 2 ** 30).toFixed(1)} GiB are too many for exact search, which takes 4 GiB at most; build the index with petalface gallery index, and search with 'index'`,
      { cause },
    );
  }
  return new Int8Array(memory.buffer, before * pageBytes, bytes);
}

/** A module on a memory. */
export const instantiateOn = <Exports>(module: object, memory: SharedMemory): Exports =>
  new (engine().Instance)(module, { env: { memory } }).exports as Exports;
