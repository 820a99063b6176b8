/** What the study trains on: each kind lacks one thing more than photos, or has one back. */
export const kinds = [
  "photos",
  "photos at 56 px",
  "photos projected",
  "projected, others' detail",
  "synthetic",
  "synthetic, photos' detail",
  "synthetic, random detail",
  "dead leaves",
] as const;

/**
 * Faces between projected photos and drawn ones: what of their joint distribution is kept. The
 * first two are made of photos, the others of their statistics.
 */
export const mixedKinds = [
  "two photos mixed",
  "two photos spliced",
  "drawn, photos' covariance",
  "drawn, photos' contrast",
] as const;

export type MixedKind = (typeof mixedKinds)[number];
export type Kind = (typeof kinds)[number] | MixedKind;

export const allKinds: readonly Kind[] = [...kinds, ...mixedKinds];

/** Of two spliced photos the first gives this many coefficients, those of the largest variance. */
export const splicedAt = 60;

/** Side of the faces that are written. */
export const side = 112;

/** Side of the face space. */
export const spaceSide = 56;
