import { type Gate, gateWeights } from "petalface/adapters";
import { colours, figure, label, path } from "./svg.ts";

const panel = { width: 150, height: 110, gap: 34, left: 44, top: 76 };
const steps = 100;

/** The weights of a gate's parts over alpha, from the function that puts them into a model. */
function curves(gate: Gate, left: number): string[] {
  const parts = gateWeights(gate, 0).map((_, part) =>
    Array.from({ length: steps + 1 }, (_, step) => {
      const alpha = step / steps;
      const weight = gateWeights(gate, alpha)[part] ?? 0;
      return [left + alpha * panel.width, panel.top + (1 - weight) * panel.height] as const;
    }),
  );
  const bottom = panel.top + panel.height;
  return [
    path(
      [
        [left, panel.top],
        [left, bottom],
        [left + panel.width, bottom],
      ],
      colours.quiet,
    ),
    ...parts.map((points, at) => path(points, at === 0 ? colours.adapter : colours.frozen)),
    label(left + panel.width / 2, panel.top - 12, gate, { anchor: "middle", bold: true }),
    label(left, bottom + 18, "0", { size: 12, colour: colours.quiet, anchor: "middle" }),
    label(left + panel.width, bottom + 18, "1", { size: 12, colour: colours.quiet, anchor: "middle" }),
    label(left + panel.width / 2, bottom + 18, "alpha", { size: 12, colour: colours.quiet, anchor: "middle" }),
  ];
}

/**
 * How strongly each gate opens the parts of an adapter, from blurred (alpha 0) to sharp (alpha 1).
 */
export function gatesFigure(): string {
  const gates: readonly Gate[] = ["low", "hat", "twin", "single"];
  return figure(760, 230, "The weights of an adapter's parts over alpha, for four gates", [
    label(panel.left, 36, "Weight of the adapter's parts", { size: 17, bold: true }),
    ...gates.flatMap((gate, at) => curves(gate, panel.left + at * (panel.width + panel.gap))),
  ]);
}
