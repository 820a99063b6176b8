import { openBackbone } from "../../../backbones/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { ModelChoices } from "../../../models/index.ts";
import { type Provider, placementOf } from "../../../runtime/index.ts";
import type { Description } from "./description.ts";

/**
 * An inspection of a face recogniser with what a provider makes of it: how many of its nodes ran
 * there on a blank image, and which fell back to the CPU. Throws PetalfaceError if the thing is not
 * a face recogniser or the provider does not work here.
 */
export async function withPlacement(
  inspection: Description,
  provider: Provider,
  model: string,
  choices: ModelChoices,
): Promise<Description> {
  if (inspection.document.kind !== "model")
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${model} is not a face recogniser: --provider says where the nodes of one run`,
    );
  const { graph, input, size } = await openBackbone(model, choices);
  const image = { dtype: "float32", dims: [1, 3, size, size], data: new Float32Array(3 * size * size) } as const;
  const { placed, fallback } = await placementOf(graph, { [input]: image }, { provider });
  const operators = [...fallback].sort(([, a], [, b]) => b - a);
  const count = operators.reduce((sum, [, nodes]) => sum + nodes, 0);
  const names = operators.map(([op, nodes]) => (nodes === 1 ? op : `${nodes} x ${op}`)).join(", ");
  const line = `on ${provider}: ${placed} nodes ran there${count === 0 ? ", all of them" : `, ${count} on the CPU instead (slower): ${names}`}`;
  return {
    document: { ...inspection.document, placement: { provider, placed, fallback: Object.fromEntries(operators) } },
    text: `${inspection.text}\n\n${line}`,
  };
}
