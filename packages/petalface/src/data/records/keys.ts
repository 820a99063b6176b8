/** Records by ascending key. */
export interface Keys {
  readonly keys: Uint32Array;
  /** Where each begins in the file. */
  readonly offsets: Float64Array;
}

/** The records at some places of the lists, in the order of the places. */
export const choose = ({ keys, offsets }: Keys, places: Uint32Array): Keys => ({
  keys: Uint32Array.from(places, (at) => keys[at]),
  offsets: Float64Array.from(places, (at) => offsets[at]),
});

/** The labels at some places of a list. */
export const chooseLabels = (labels: Float32Array, places: Uint32Array): Float32Array =>
  Float32Array.from(places, (at) => labels[at]);

/** Places of the values of a list that a test accepts. */
export const placesWhere = (values: ArrayLike<number>, test: (value: number) => boolean): Uint32Array =>
  Uint32Array.from({ length: values.length }, (_, at) => at).filter((at) => test(values[at]));

/**
 * Puts places into the order of their values; equal ones keep theirs. Changes and returns `places`.
 */
export const sortPlaces = (places: Uint32Array, values: ArrayLike<number>): Uint32Array =>
  places.sort((one, other) => values[one] - values[other]);

/** Places in the order of the file, so that a walk reads forward. */
export function inFileOrder(offsets: Float64Array): Uint32Array {
  const places = Uint32Array.from(offsets, (_, at) => at);
  return offsets.every((offset, at) => at === 0 || offsets[at - 1] <= offset) ? places : sortPlaces(places, offsets);
}

/**
 * Puts records into the order of their keys, in the given lists where it can. They nearly always
 * ascend, but for record 0 at the end, so that millions need no second list. Otherwise they are
 * mostly dense, so that each key's place is known.
 *
 * @param refuse throws the error for a key that is there twice
 */
export function sortKeys({ keys, offsets }: Keys, refuse: (key: number) => never): Keys {
  const { length } = keys;
  if (turnToAscend(keys, offsets)) return { keys, offsets };
  const largest = keys.reduce((most, key) => Math.max(most, key), 0);
  if (largest >= 2 * length + 1024) {
    const sorted = choose({ keys, offsets }, sortPlaces(Uint32Array.from(keys.keys()), keys));
    for (let at = 1; at < length; at++) if (sorted.keys[at] === sorted.keys[at - 1]) refuse(sorted.keys[at]);
    return sorted;
  }
  const places = new Float64Array(largest + 1).fill(-1);
  for (let at = 0; at < length; at++) {
    const key = keys[at];
    if (places[key] !== -1) refuse(key);
    places[key] = offsets[at];
  }
  let at = 0;
  for (let key = 0; key <= largest; key++) {
    if (places[key] === -1) continue;
    keys[at] = key;
    offsets[at++] = places[key];
  }
  return { keys, offsets };
}

/**
 * Moves the smaller of two parts that each ascend to where it belongs. False, and nothing is moved,
 * where that is not enough.
 */
function turnToAscend(keys: Uint32Array, offsets: Float64Array): boolean {
  const { length } = keys;
  let start = 0;
  for (let at = 1; at < length; at++) {
    if (keys[at - 1] < keys[at]) continue;
    if (start > 0 || keys[at - 1] === keys[at]) return false;
    start = at;
  }
  if (start === 0) return true;
  if (keys[length - 1] >= keys[0]) return false;
  for (const list of [keys, offsets])
    if (start > length / 2) {
      const end = list.slice(start);
      list.copyWithin(end.length, 0, start);
      list.set(end);
    } else {
      const begin = list.slice(0, start);
      list.copyWithin(0, start);
      list.set(begin, length - start);
    }
  return true;
}

/** Records whose keys are from `first` on and below `end`. */
export function keysBetween({ keys, offsets }: Keys, first: number, end: number): Keys {
  const [start, stop] = [findKey(keys, first), findKey(keys, end)];
  return { keys: keys.subarray(start, stop), offsets: offsets.subarray(start, stop) };
}

/** Position of the first key that is not smaller. */
export function findKey(keys: Uint32Array, key: number): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
