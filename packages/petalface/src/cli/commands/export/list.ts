import { type Contract, contracts } from "../../../deploy/index.ts";
import { printNormalize } from "../../../models/index.ts";
import type { CliContext } from "../../context.ts";

/** `petalface export --for list`: every target, what it wants, and where that was read. */
export function listTargets(context: CliContext): void {
  const all = Object.values(contracts);
  context.result(
    { targets: all },
    [
      ...all.map(print),
      "plain: a file by hand, with --outputs, --input-name, --output-name, --batch, --opset, --fold-normalisation, --bgr",
    ].join("\n\n"),
  );
}

function print(contract: Contract): string {
  const { name, about, input, batch, size, feeding, opset, merged, layout, sources } = contract;
  const side = size ?? "size";
  const wants = [
    `${input ?? "any input name"}, [${[batch, 3, side, side].join(", ")}], ${feeding.channels.toUpperCase()}, (x - MEAN) * SCALE with ${printNormalize(feeding)}`,
    "one output",
    ...(opset === undefined ? [] : [`operator set ${opset} at most`]),
    ...(merged ? ["merged: give --alpha with a number, or --levels"] : []),
  ];
  return [
    `${name}: ${about}`,
    `  wants: ${wants.join("; ")}`,
    `  writes: ${[layout.model, layout.detector, layout.description?.path].filter(Boolean).join(", ")} for ${layout.belongs}`,
    ...sources.map(({ from, paths }) => `  read from: ${from}: ${paths.join(", ")}`),
  ].join("\n");
}
