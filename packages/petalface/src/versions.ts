import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** Versions of everything that can change a number: Node, petalface and the engine. */
export async function versions(): Promise<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const versionIn = async (path: string): Promise<string> =>
    (JSON.parse(await readFile(path, "utf8")) as { version: string }).version;
  return {
    petalface: await versionIn(fileURLToPath(new URL("../package.json", import.meta.url))),
    node: process.versions.node,
    "onnxruntime-node": await versionIn(require.resolve("onnxruntime-node/package.json")),
  };
}
