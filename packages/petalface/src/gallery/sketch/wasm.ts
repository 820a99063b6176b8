import {
  add,
  block,
  compile,
  constant,
  get,
  i32,
  isNotBelow,
  jump,
  jumpIf,
  loop,
  multiply,
  set,
  unsigned,
} from "../../webassembly.ts";
import { sharedLimits } from "../scan/wasm.ts";
import { headBytes, tailBytes } from "./layout.ts";

/**
 * A module of WebAssembly that finds rows of 256 signs near those of a probe:
 *
 *     near(heads, row, end, probe, most, out, found):
 *       for row in row..end, heads += 32:
 *         differing = signs that differ between the row at heads and the probe
 *         if differing <= most: out gets row and differing, as int32
 *       found gets the address behind the last one
 *
 * Addresses are in bytes; signs lie at multiples of 8.
 */
export interface NearExports {
  near(heads: number, row: number, end: number, probe: number, most: number, out: number, found: number): void;
}

const i64 = 0x7e;
const load8 = (offset: number): number[] => [0x29, 3, ...unsigned(offset)];
const store4 = (offset: number): number[] => [0x36, 2, ...unsigned(offset)];
/** On whole numbers of 64 bits: exclusive or, how many bits are set, sum; and the lower half. */
const [differing8, ones8, add8, low] = [[0x85], [0x7b], [0x7c], [0xa7]] as const;
const isAbove = [0x4b];

/** Parameters and variables of the function. */
const [heads, row, end, probe, most, out, found, count] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** The signs of the probe, 64 each. */
const parts = [8, 9, 10, 11] as const;

const body = [
  ...parts.flatMap((part, at) => [get(probe), load8(8 * at), set(part)]).flat(),
  ...block(
    loop(
      ...[get(row), get(end), isNotBelow, jumpIf(1)],
      ...parts.flatMap((part, at) => [
        ...[get(heads), load8(8 * at), get(part), [...differing8], [...ones8]],
        ...(at === 0 ? [] : [[...add8]]),
      ]),
      ...[[...low], set(count)],
      block(
        ...[get(count), get(most), isAbove, jumpIf(0)],
        ...[get(out), get(row), store4(0), get(out), get(count), store4(4), get(out), constant(8), add, set(out)],
      ),
      ...[get(heads), constant(headBytes), add, set(heads), get(row), constant(1), add, set(row), jump(0)],
    ),
  ),
  ...[get(found), get(out), store4(0)].flat(),
];

/** The module; it imports its memory, which threads share, as `env.memory`. */
export const nearModule = (): object =>
  compile({
    name: "near",
    parameters: 7,
    variables: [
      [1, i32],
      [4, i64],
    ],
    body,
    memory: sharedLimits,
  });

/**
 * A module that compares the other signs of rows that the first one found:
 *
 *     refine(tails, list, end, probe):
 *       for list..end, list += 8:
 *         row, differing = int32 at list, and behind it
 *         differing += signs that differ between the row of tails and the probe
 */
export interface RefineExports {
  refine(tails: number, list: number, end: number, probe: number): void;
}

const [tails, list, last, tailProbe, tail] = [0, 1, 2, 3, 4] as const;
const words = Array.from({ length: tailBytes / 8 }, (_, at) => at);
const load4 = (offset: number): number[] => [0x28, 2, ...unsigned(offset)];

const refineBody = block(
  loop(
    ...[get(list), get(last), isNotBelow, jumpIf(1)],
    ...[get(list), load4(0), constant(tailBytes), multiply, get(tails), add, set(tail)],
    ...[get(list), get(list), load4(4)],
    ...words.flatMap((at) => [
      ...[get(tail), load8(8 * at), get(tailProbe), load8(8 * at), [...differing8], [...ones8]],
      ...(at === 0 ? [] : [[...add8]]),
    ]),
    ...[[...low], add, store4(4)],
    ...[get(list), constant(8), add, set(list), jump(0)],
  ),
);

/** The module of {@link RefineExports}. */
export const refineModule = (): object =>
  compile({ name: "refine", parameters: 4, variables: [[1, i32]], body: refineBody, memory: sharedLimits });
