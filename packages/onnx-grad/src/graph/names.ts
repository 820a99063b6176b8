/**
 * Gives out unused names, close to a wanted one: the stem itself, else the stem with a
 * number. Names in `taken` are avoided; what is given out is added to it.
 */
export function freshNames(taken: Set<string>): (stem: string) => string {
  let counter = 0;
  return (stem) => {
    let name = stem;
    while (taken.has(name)) name = `${stem}_${++counter}`;
    taken.add(name);
    return name;
  };
}
