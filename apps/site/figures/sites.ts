import { box, colours, figure, label, path } from "./svg.ts";

/**
 * Where an adapter sits: a frozen layer, and next to it two thin products with a gate between them.
 */
export function sitesFigure(): string {
  const { adapter, frozen, quiet } = colours;
  const middle = { anchor: "middle" } as const;
  return figure(760, 300, "A frozen layer with an adapter next to it", [
    label(40, 108, "features x", { bold: true }),
    path(
      [
        [130, 103],
        [210, 103],
      ],
      quiet,
      true,
    ),
    box(212, 70, 300, 66, frozen),
    label(362, 100, "the layer as it was", { ...middle, bold: true }),
    label(362, 122, "W, frozen", { ...middle, colour: frozen }),
    path(
      [
        [512, 103],
        [604, 103],
      ],
      quiet,
      true,
    ),
    `<circle cx="620" cy="103" r="15" fill="${colours.area}" stroke="${quiet}" stroke-width="1.5"/>`,
    label(620, 109, "+", { ...middle, size: 18 }),
    path(
      [
        [635, 103],
        [690, 103],
      ],
      quiet,
      true,
    ),
    label(698, 108, "y", { bold: true }),
    path(
      [
        [160, 103],
        [160, 208],
        [210, 208],
      ],
      quiet,
      true,
    ),
    box(212, 182, 84, 52, adapter),
    label(254, 213, "down", middle),
    path(
      [
        [296, 208],
        [318, 208],
      ],
      quiet,
      true,
    ),
    box(320, 182, 84, 52, adapter),
    label(362, 213, "gate", { ...middle, bold: true }),
    path(
      [
        [404, 208],
        [426, 208],
      ],
      quiet,
      true,
    ),
    box(428, 182, 84, 52, adapter),
    label(470, 213, "up", middle),
    path(
      [
        [512, 208],
        [620, 208],
        [620, 120],
      ],
      quiet,
      true,
    ),
    path(
      [
        [362, 272],
        [362, 236],
      ],
      quiet,
      true,
    ),
    label(374, 272, "alpha of this image: 1 is sharp, the gate is closed", { colour: adapter }),
    label(212, 160, "the adapter: rank 32 instead of hundreds of channels", { colour: adapter, size: 13 }),
    label(40, 36, "y = W x + up (gate(alpha) * down x)", { size: 17, bold: true }),
  ]);
}
