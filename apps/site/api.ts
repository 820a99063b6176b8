import { fileURLToPath } from "node:url";
import { Application, type TypeDocOptions } from "typedoc";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Writes a page for each exported function and type of the packages into docs/reference/api, from
 * their comments.
 *
 * @throws Error where the sources cannot be read
 */
export async function writeApi(): Promise<void> {
  const entries = ["packages/petalface/src/index.ts", "packages/onnx-grad/src/index.ts"];
  const options: TypeDocOptions & Record<string, unknown> = {
    entryPoints: entries.map((entry) => root + entry),
    tsconfig: fileURLToPath(new URL("api.tsconfig.json", import.meta.url)),
    // The project's own compiler checks the types; here they are only read.
    skipErrorChecking: true,
    plugin: ["typedoc-plugin-markdown"],
    out: `${root}docs/reference/api`,
    readme: "none",
    name: "Functions and types",
    disableSources: true,
    excludeInternal: true,
    hidePageHeader: true,
    logLevel: "Warn",
  };
  const application = await Application.bootstrapWithPlugins(options);
  const project = await application.convert();
  if (project === undefined) throw new Error("typedoc could not read the packages");
  await application.generateOutputs(project);
}
