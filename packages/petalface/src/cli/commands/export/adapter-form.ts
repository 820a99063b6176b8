import { join } from "node:path";
import { type Adapter, savePeft, saveReference } from "../../../adapters/index.ts";
import type { Backbone } from "../../../backbones/index.ts";
import type { CliContext } from "../../context.ts";

/** Writes the adapter alone, in another project's form. */
export async function exportAdapter(
  { out, as }: { readonly out: string; readonly as: "peft" | "reference" },
  backbone: Backbone,
  adapter: Adapter,
  context: CliContext,
): Promise<void> {
  if (as === "reference") {
    await saveReference(out, backbone, adapter);
    context.result(
      { file: out, as, layers: adapter.config.sites.length },
      `${out}: ${adapter.config.sites.length} layers' trainable_lora_* tensors`,
    );
    return;
  }
  const adapters = await savePeft(out, backbone, adapter);
  const lines = adapters.map(
    ({ folder, weight, layers }) => `${join(out, folder)}: ${layers} layers, to be weighted by ${weight}`,
  );
  context.result({ folder: out, as, adapters }, lines.join("\n"));
}
