import { architectureKey } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Layered } from "../layout.ts";
import type { Site } from "../sites.ts";

/**
 * PyTorch's name of each layer's module, by the layer's name: PEFT finds modules by these. Imported
 * networks have them as layer names. PyTorch's exporters leave them in the weight's name
 * (`MODULE.weight`), or in the node's path (`/layer1/layer1.0/conv1/Conv`).
 *
 * @throws PetalfaceError where the file does not say them, since PEFT could not load the adapter
 * then
 */
export function moduleNames({ graph, path }: Layered, sites: readonly Site[]): Map<string, string> {
  const imported = graph.metadata.has(architectureKey);
  const names = new Map<string, string>();
  for (const site of sites) {
    const name = imported ? site.name : moduleOf(site);
    if (name === undefined || [...names.values()].includes(name))
      throw new PetalfaceError(
        "PETAL_MODEL_UNSUPPORTED",
        `${path} does not say the PyTorch names of its modules (a layer is called ${JSON.stringify(site.name)}, its weight ${JSON.stringify(site.weight)}), so Hugging Face PEFT cannot load this adapter; export the model from PyTorch with names kept, or export one ONNX file`,
      );
    names.set(site.name, name);
  }
  return names;
}

function moduleOf({ name, weight }: Site): string | undefined {
  const [, module] = /^([\w.]+)\.weight$/.exec(weight) ?? [];
  if (module !== undefined) return module;
  const [, place] = /^\/([\w./]+)\/(?:Conv|Gemm|MatMul)(?:_\d+)?$/.exec(name) ?? [];
  if (place === undefined) return undefined;
  // A module in a container carries the container's name in its own: /layer1/layer1.0/conv1 is
  // layer1.0.conv1.
  const parts = place.split("/");
  return parts.filter((part, at) => !parts[at + 1]?.startsWith(`${part}.`)).join(".");
}
