/**
 * A module of WebAssembly that multiplies rows of 8-bit codes with probes of 16 bits, 8 products an
 * instruction. It is written down here as bytes, since 20 lines of it need no compiler:
 *
 *     dots(codes, stride, count, probes, n, out):
 *       for row in 0..count: for probe in 0..n:
 *         out[probe * count + row] = sum over at of codes[row * stride + at] * probes[probe * stride + at]
 *
 * Addresses are in bytes; `codes` are int8, `probes` int16 and `out` int32. `stride` is a multiple
 * of 16. Instructions: WebAssembly core specification 2.0, sections 5.4 and 5.5.
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

/** What is used of WebAssembly, whose types come only with those of browsers. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory;
}

const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;

/** A whole number as LEB128, the signed form. */
function signed(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    out.push(done ? byte : byte | 0x80);
    if (done) return out;
  }
}

/** The same, unsigned. */
function unsigned(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const byte = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? byte : byte | 0x80);
    if (rest === 0) return out;
  }
}

const i32 = 0x7f;
const v128 = 0x7b;
const none = 0x40;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, ...signed(value)];
const add = [0x6a];
const multiply = [0x6c];
const isBelow = [0x49];
const isNotBelow = [0x4f];
const block = (...body: number[][]): number[] => [0x02, none, ...body.flat(), 0x0b];
const loop = (...body: number[][]): number[] => [0x03, none, ...body.flat(), 0x0b];
const jump = (depth: number): number[] => [0x0c, depth];
const jumpIf = (depth: number): number[] => [0x0d, depth];
const simd = (code: number, ...rest: number[]): number[] => [0xfd, ...unsigned(code), ...rest];
const load8x8Signed = (offset: number): number[] => simd(0x01, 3, ...unsigned(offset));
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

const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
const text = (value: string): number[] => [value.length, ...Buffer.from(value)];

/** Pages of 64 KiB that a memory of WebAssembly has at most. */
const mostPages = 65_536;

/** The module; it imports its memory, which is shared between threads, as `env.memory`. */
export function dotsModule(): object {
  const code = [2, 5, i32, 2, v128, ...body, 0x0b];
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 6, i32, i32, i32, i32, i32, i32, 0]),
    // Limits 3: shared, with a maximum.
    ...section(2, [1, ...text("env"), ...text("memory"), 2, 3, ...unsigned(1), ...unsigned(mostPages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text("dots"), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ];
  return new engine.Module(Uint8Array.from(bytes));
}

/** Memory for the module, of so many pages of 64 KiB; it can grow to 4 GiB. */
export const sharedMemory = (pages: number): SharedMemory =>
  new engine.Memory({ initial: pages, maximum: mostPages, shared: true });

/** The module on a memory. */
export const instantiate = (module: object, memory: SharedMemory): DotsExports =>
  new engine.Instance(module, { env: { memory } }).exports as DotsExports;
