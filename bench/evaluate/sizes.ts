/** Sizes of the data sets that are imitated, with features of 512 numbers. */
export const ijbc = {
  images: 469_376,
  templates: 23_124,
  people: 3531,
  enrolled: 3531,
  pairs: 15_658_489,
  genuine: 19_557,
};
export const tinyface = { distractors: 153_428, gallery: 4443, probes: 3728, people: 2569 };
export const width = 512;
/** False accept rates of IJB's table. */
export const fars: readonly number[] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];
/** Ranks of TinyFace's. */
export const ranks: readonly number[] = [1, 5, 10, 20];
