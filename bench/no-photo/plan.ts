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

export type Kind = (typeof kinds)[number];

/** Side of the faces that are written. */
export const side = 112;

/** Side of the face space. */
export const spaceSide = 56;
