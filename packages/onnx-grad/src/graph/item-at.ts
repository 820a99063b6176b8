/**
 * The item of a list at an index that must be there: where the code knows more about the length than its type says.
 * Loops over pixels and weights read the list itself.
 *
 * @throws RangeError where there is no such item, which is a mistake in the code
 */
export function itemAt<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`there is no item ${index} among ${items.length}`);
  return item;
}
