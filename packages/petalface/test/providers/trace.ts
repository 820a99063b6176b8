import { readFile, writeFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import { openSession, type Placement, type Provider, placementOf } from "../../src/runtime/index.ts";
import type { Case } from "./families.ts";

/** What a traced case gives: its results and where its nodes ran, or why it failed. */
export type Traced = Placement | { readonly error: string };

// A process of its own, because it needs the environment in which the Vulkan loader finds a device.
// Arguments: provider, and a file of cases that is replaced by what they gave.
const [provider, file] = process.argv.slice(2) as [Provider, string];
const cases = deserialize(await readFile(file)) as Case[];
const traced: Traced[] = [];
// Compiled shaders live as long as any session on the device does.
const first = await openSession(cases[0].graph, { provider });
for (const { graph, feeds } of cases) {
  const options = { provider, threads: 1, optimisation: "free" } as const;
  traced.push(
    await placementOf(graph, feeds, options).catch((error) => ({
      error: error instanceof Error ? error.message : String(error),
    })),
  );
}
await first.close();
await writeFile(file, serialize(traced));
