/** What the study trains on: docs/method.md, "No photo at all". */
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
