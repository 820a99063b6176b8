/** Trainings that are made unless others are asked for, as MODEL:IMAGES:RATE. */
export const asked: readonly string[] = [
  ...[1600, 4800, 9600, 27_224].map((images) => `mobilefacenet:${images}:0.001`),
  ...[4800, 27_224].map((images) => `mobilefacenet:${images}:0.002`),
  ...[1600, 4800, 27_224].map((images) => `edgeface_xs:${images}:0.001`),
  "edgeface_xs:4800:0.0005",
  ...[4800, 27_224].map((images) => `edgeface_xs:${images}:0.002`),
];

/** What a shared model's name is on pages. */
export const titleOf = (model: string): string =>
  ({ mobilefacenet: "MobileFaceNet", edgeface_xs: "EdgeFace-XS", fr_feature: "fr_feature" })[model] ?? model;
