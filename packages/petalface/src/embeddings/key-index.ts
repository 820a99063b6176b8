/** Finds 128-bit keys. 24 bytes a key and no object, so that tens of millions fit. */
export interface KeyIndex {
  readonly size: number;
  /**
   * Number of a key, counted from 0 in the order of {@link add}; -1 if it is not there. The latest
   * of equal keys.
   */
  find(key: Uint32Array): number;
  add(key: Uint32Array): void;
}

/**
 * An open-addressing table over keys that are hashes already, so that their first 32 bits spread
 * well.
 */
export function createKeyIndex(): KeyIndex {
  let keys = new Uint32Array(4 * 1024);
  let table = new Int32Array(4096);
  let size = 0;

  const slotOf = (key: Uint32Array): number => {
    const mask = table.length - 1;
    for (let slot = key[0] & mask; ; slot = (slot + 1) & mask) {
      const entry = table[slot] - 1;
      if (entry === -1) return slot;
      const at = 4 * entry;
      if (keys[at] === key[0] && keys[at + 1] === key[1] && keys[at + 2] === key[2] && keys[at + 3] === key[3])
        return slot;
    }
  };
  const grow = (): void => {
    const larger = new Uint32Array(2 * keys.length);
    larger.set(keys);
    keys = larger;
    table = new Int32Array(2 * table.length);
    for (let entry = 0; entry < size; entry++) table[slotOf(keys.subarray(4 * entry, 4 * entry + 4))] = entry + 1;
  };
  return {
    get size() {
      return size;
    },
    find: (key) => table[slotOf(key)] - 1,
    add(key) {
      if (4 * size === keys.length) grow();
      keys.set(key, 4 * size);
      table[slotOf(key)] = ++size;
    },
  };
}
