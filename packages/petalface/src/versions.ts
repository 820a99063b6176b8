import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** Versions of everything that can change a number: Node, petalface and the engine. */
export async function versions(): Promise<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const versionIn = async (path: string): Promise<string> =>
    (JSON.parse(await readFile(path, "utf8")) as { version: string }).version;
  return {
    petalface: await versionIn(new URL("../package.json", import.meta.url).pathname),
    node: process.versions.node,
    "onnxruntime-node": await versionIn(require.resolve("onnxruntime-node/package.json")),
  };
}
