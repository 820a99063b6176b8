import {
  add,
  block,
  compile,
  constant,
  engine,
  get,
  i32,
  isNotBelow,
  jump,
  jumpIf,
  load8x8Signed,
  loop,
  pageBytes,
  set,
  simd,
  unsigned,
  v128,
} from "../webassembly.ts";

/** Rows of a basis that are added at a time. */
const group = 8;
/** Numbers of a row that are computed at a time. */
const lanes = 8;

/**
 * Parameters of the module's function, addresses in bytes: `group` rows of int8, `length` numbers
 * each; as many float64 shares; the float32 sums; their end.
 */
const [rows, length, shares, sums, end] = [0, 1, 2, 3, 4] as const;
/**
 * Its variables: the place in a row; 8 sums as float64, two in each; 8 or 4 whole numbers; a share.
 */
const [at, s0, s1, s2, s3, wide, four, share] = [5, 6, 7, 8, 9, 10, 11, 12] as const;

const loadTwoFloats = (offset: number): number[] => simd(0x5d, 3, ...unsigned(offset));
const storeTwoFloats = (offset: number): number[] => simd(0x5b, 3, ...unsigned(offset), 0);
const loadShare = (row: number): number[] => simd(0x0a, 3, ...unsigned(8 * row));
const promote = simd(0x5f);
const demote = simd(0x5e);
const lowFour = simd(0xa7);
const highFour = simd(0xa8);
const toDoubles = simd(0xfe, 0x01);
const addDoubles = simd(0xf0, 0x01);
const multiplyDoubles = simd(0xf2, 0x01);
/** The upper two of four whole numbers, in front. */
const upper = simd(0x0d, ...[8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);

const addTwo = (sum: number, two: number[][]): number[][] => [
  ...[get(sum), ...two, toDoubles, get(share), multiplyDoubles, addDoubles, set(sum)],
];
const addFour = (half: number[], low: number, high: number): number[][] => [
  ...[get(wide), half, set(four)],
  ...addTwo(low, [get(four)]),
  ...addTwo(high, [get(four), get(four), upper]),
];
const addRow = (row: number): number[][] => [
  ...[get(shares), loadShare(row), set(share)],
  ...[get(at), load8x8Signed(0), set(wide)],
  ...[...addFour(lowFour, s0, s1), ...addFour(highFour, s2, s3)],
  // The same place of the next row.
  ...[get(at), get(length), add, set(at)],
];
const quarters = [s0, s1, s2, s3] as const;

/** The function's code; made where it is needed, since most programs draw no face. */
const body = (): number[] =>
  block(
    loop(
      ...[get(sums), get(end), isNotBelow, jumpIf(1)],
      ...[get(rows), set(at)],
      ...quarters.flatMap((sum, number) => [get(sums), loadTwoFloats(8 * number), promote, set(sum)]),
      ...Array.from({ length: group }, (_, row) => addRow(row)).flat(),
      ...quarters.flatMap((sum, number) => [get(sums), get(sum), demote, storeTwoFloats(8 * number)]),
      ...[get(rows), constant(lanes), add, set(rows), get(sums), constant(4 * lanes), add, set(sums), jump(0)],
    ),
  );

interface Exports {
  addRows(rows: number, length: number, shares: number, sums: number, end: number): void;
}

/** Adds rows of a basis to a vector: `sums += shares @ basis`. */
export type BasisSum = (shares: Float64Array, sums: Float32Array) => void;

/**
 * Prepares sums with one basis, `[rank, length]`. Eight rows are added in double precision from the
 * first to the last, and the sum is rounded to float32 once for them; rows that remain are added
 * one by one. WebAssembly does eight numbers of a row at a time, which takes a third of the time of
 * JavaScript and has its bits.
 */
export function basisSum(basis: Int8Array, length: number): BasisSum {
  const rank = basis.length / length;
  const grouped = rank - (rank % group);
  // Whole groups of lanes: what lies beyond a row's end is read and not used.
  const whole = Math.ceil(length / lanes) * lanes;
  const sharesAt = Math.ceil((grouped * length + lanes) / 8) * 8;
  const sumsAt = sharesAt + 8 * group;
  const pages = Math.ceil((sumsAt + 4 * whole) / pageBytes);
  const { Memory, Instance } = engine<{ readonly buffer: ArrayBuffer }>();
  const memory = new Memory({ initial: pages });
  const variables = [[1, i32] as const, [7, v128] as const];
  // Limits 0: not shared, without a maximum.
  const module = compile({ name: "addRows", parameters: 5, variables, body: body(), memory: [0, ...unsigned(1)] });
  const { addRows } = new Instance(module, { env: { memory } }).exports as Exports;
  new Int8Array(memory.buffer, 0, grouped * length).set(basis.subarray(0, grouped * length));
  const someShares = new Float64Array(memory.buffer, sharesAt, group);
  const someSums = new Float32Array(memory.buffer, sumsAt, length);
  return (shares, sums) => {
    someSums.set(sums);
    for (let row = 0; row < grouped; row += group) {
      someShares.set(shares.subarray(row, row + group));
      addRows(row * length, length, sharesAt, sumsAt, sumsAt + 4 * whole);
    }
    sums.set(someSums);
    for (let row = grouped; row < rank; row++) {
      const share = shares[row];
      for (let at = 0; at < length; at++) sums[at] += share * basis[row * length + at];
    }
  };
}
