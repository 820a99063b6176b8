import { mean, median } from "../skeleton/statistics.ts";
import type { Describing } from "./describe.ts";
import type { Person } from "./faces.ts";
import { enrolFirst, nearest } from "./search.ts";

/** Two names of one person. */
export interface Twice {
  readonly stranger: string;
  readonly enrolled: string;
  readonly cosine: number;
}

/** As `petalface data audit` has it: this share of the way from strangers to one's own photos. */
const share = 0.75;

/**
 * Strangers who look like an enrolled person to a model that is not measured: LFW has people under
 * two names, and a few of them would decide what is found at the lowest rates.
 */
export async function findTwice(
  model: Describing,
  people: readonly Person[],
  strangers: readonly Person[],
): Promise<{ readonly level: number; readonly found: Twice[] }> {
  const describe = (all: readonly Person[], at: number) =>
    model.describe(
      all.map(({ photos }) => ({ photo: photos[at] })),
      [],
    );
  const mates = people.filter(({ photos }) => photos.length > 1);
  const [gallery, own] = [await enrolFirst(model, people), await enrolFirst(model, mates)];
  const again = await nearest(own, "best", await describe(mates, 1), mates.length);
  const of = (person: number, isOwn: boolean): number[] =>
    (again[person] ?? []).filter((each) => (each.person === person) === isOwn).map(({ cosine }) => cosine);
  const ownCosine = median(mates.flatMap((_, person) => of(person, true)));
  const strange = mean(mates.flatMap((_, person) => of(person, false)));
  const level = strange + share * (ownCosine - strange);
  const best = await nearest(gallery, "best", await describe(strangers, 0));
  const found = strangers.flatMap(({ name }, at): Twice[] => {
    const [first] = best[at] ?? [];
    const as = people[first?.person ?? -1]?.name;
    return first === undefined || as === undefined || first.cosine < level
      ? []
      : [{ stranger: name, enrolled: as, cosine: first.cosine }];
  });
  return { level, found };
}
