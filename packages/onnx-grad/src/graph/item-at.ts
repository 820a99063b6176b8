/**
 * The item of a list at an index that must be there: where the code knows more about the length
 * than its type says. Loops over pixels and weights read the list itself.
 *
 * @throws RangeError where there is no such item, which is a mistake in the code
 */
export function itemAt<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`there is no item ${index} among ${items.length}`);
  return item;
}

/** The last item of a list that is not empty by construction. Throws RangeError where it is. */
export const lastOf = <T>(items: ArrayLike<T>): T => itemAt(items, items.length - 1);

/** Lists of exactly `Length` items. */
export type Tuple<T, Length extends number, Items extends readonly T[] = []> = Items["length"] extends Length
  ? Items
  : Tuple<T, Length, [...Items, T]>;

const hasLength = <T, Length extends number>(items: readonly T[], length: Length): items is Tuple<T, Length> =>
  items.length === length;

/**
 * A list as the tuple that it is by construction: `const [rows, columns] = tupleOf(dims, 2)`.
 *
 * @throws RangeError where it has another length, which is a mistake in the code
 */
export function tupleOf<T, Length extends number>(items: readonly T[], length: Length): Tuple<T, Length> {
  if (!hasLength(items, length)) throw new RangeError(`there are ${items.length} items and not ${length}`);
  return items;
}

/**
 * The value of a key that has one by construction; a missing one is a mistake in the code, and is
 * reported as one.
 */
export function entryOf<K, V>(entries: ReadonlyMap<K, V>, key: K): V {
  const value = entries.get(key);
  if (value === undefined) throw new RangeError(`there is no entry ${String(key)} among ${entries.size}`);
  return value;
}
