/**
 * A stream of numbers that depends on its seed only: the same on every machine, in every thread.
 */
export interface Random {
  /** Uniform integer in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform integer in [0, below); `below` from 1 to 2^32. */
  int(below: number): number;
  /** One of the items, each as likely. Throws RangeError where there is none. */
  pick<T>(items: ArrayLike<T>): T;
  /** Normal with mean 0 and variance 1. */
  normal(): number;
  /** Shuffles in place (Fisher-Yates) and returns its argument. */
  shuffle<T extends { [index: number]: unknown; readonly length: number }>(items: T): T;
}

/**
 * Opens a stream. Streams with different seeds are independent, so an epoch, a step or a person
 * gets a stream of its own (`random(seed, "epoch", 3)`) and nothing has to be saved to continue
 * after a kill.
 *
 * Generator: sfc32 of Chris Doty-Humphrey's PractRand; its state is a 128-bit hash of the seed's
 * parts.
 *
 * @param seed strings and numbers; `1` and `"1"` are different seeds, and so are `("ab")` and
 * `("a", "b")`
 */
export function random(...seed: readonly (string | number)[]): Random {
  const state = hash128(
    seed.map((part) => `${typeof part === "number" ? "n" : "s"}${String(part).length}:${part}`).join(),
  );
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let counter = state[3];
  let spare: number | undefined;

  function uint32(): number {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return out >>> 0;
  }

  function uniform(): number {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  function int(below: number): number {
    if (!(Number.isInteger(below) && below >= 1 && below <= 0x100000000)) {
      throw new RangeError(`int() needs a whole number from 1 to 2^32, not ${below}`);
    }
    // The last, incomplete run of `below` values is thrown away; keeping it would favour small
    // results.
    const limit = 0x100000000 - (0x100000000 % below);
    let drawn = uint32();
    while (drawn >= limit) drawn = uint32();
    return drawn % below;
  }

  const pick = <T>(items: ArrayLike<T>): T => items[int(items.length)];

  function normal(): number {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    // Box and Muller 1958. 1 - uniform is never 0, so the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  function shuffle<T extends { [index: number]: unknown; readonly length: number }>(items: T): T {
    const list: { [index: number]: unknown } = items;
    for (let last = items.length - 1; last > 0; last--) {
      const other = int(last + 1);
      const kept = list[last];
      list[last] = list[other];
      list[other] = kept;
    }
    return items;
  }

  // The first outputs still show the seed's structure; the generator's author runs fifteen before
  // use.
  for (let round = 0; round < 15; round++) uint32();
  return { uint32, uniform, int, pick, normal, shuffle };
}

/**
 * Four 32-bit lanes, each a multiply-and-rotate hash with its own multiplier, finished as in
 * MurmurHash3.
 */
function hash128(text: string): Int32Array {
  const multipliers = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];
  const lanes = new Int32Array([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]);
  for (let position = 0; position < text.length; position++) {
    const unit = text.charCodeAt(position);
    for (let lane = 0; lane < 4; lane++) {
      const mixed = Math.imul(lanes[lane] ^ unit, multipliers[lane]);
      lanes[lane] = (mixed << 13) | (mixed >>> 19);
    }
  }
  let carried = text.length;
  for (let lane = 0; lane < 4; lane++) {
    let value = lanes[lane] ^ carried;
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    value ^= value >>> 16;
    lanes[lane] = value;
    carried = value;
  }
  return lanes;
}
