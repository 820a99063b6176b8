import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { lastOf } from "onnx-grad";
import { adapterFiles } from "../../adapters/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { isUnfinished, makeFolder } from "../../files.ts";
import { printPath } from "../../images/index.ts";
import { withResources } from "../../resources.ts";
import { adapterCardFile, readRun } from "../../training/index.ts";
import { evaluationFolder, resultFile } from "../evaluate/results.ts";
import { claimOutputs, recordName } from "../outputs.ts";
import type { Surroundings } from "../surroundings.ts";
import { mainMethod, otherMethods } from "./plan.ts";

/** Files of a demo other than its runs. */
export const demoFiles = { report: "report.html", model: "face.onnx" } as const;

const folders = [mainMethod, ...otherMethods].map(({ name }) => name);

/** What a run's folder may hold to be removed: what training and evaluation write. */
const ofRun: ReadonlySet<string> = new Set([
  "run.json",
  "metrics.jsonl",
  "lock.json",
  "report.html",
  join("checkpoint", "state.safetensors"),
  recordName,
  ...adapterFiles("adapter"),
  join("adapter", adapterCardFile),
  ...(["frozen", "adapted"] as const).map((name) => join(evaluationFolder, resultFile(name))),
  join(evaluationFolder, recordName),
]);

/**
 * Makes the folder of a demo, and removes an earlier demo from it. Dispose of the result when the
 * demo ends.
 *
 * @throws PetalfaceError where the folder holds anything else, also inside of what an earlier demo
 * left; `force` removes that too
 */
export const prepareDemoFolder = (out: string, context: Surroundings): Promise<AsyncDisposable> =>
  withResources(async (keep) => {
    keep(await makeFolder(out));
    const files = Object.values(demoFiles);
    keep(
      await claimOutputs(
        files.map((name) => join(out, name)),
        context,
      ),
    );
    const known = new Set<string>([...folders, ...files, recordName]);
    const foreign = (await readdir(out)).find((name) => !known.has(name) && !isUnfinished(name));
    if (foreign !== undefined) throw notOurs(out, foreign);
    for (const name of folders) {
      if (!context.force) await requireRun(out, name);
      await rm(join(out, name), { recursive: true, force: true });
    }
    // Those of an earlier demo, which may be of other faces.
    for (const name of files) await rm(join(out, name), { force: true });
    return {};
  });

const notOurs = (out: string, name: string): PetalfaceError =>
  new PetalfaceError(
    "PETAL_OUTPUT_EXISTS",
    `${printPath(out)} holds ${JSON.stringify(name)}, which is not part of a demo; give an empty or new folder with 'out'`,
  );

async function requireRun(out: string, name: string): Promise<void> {
  const folder = join(out, name);
  if ((await stat(folder).catch(() => undefined)) === undefined) return;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => {
    throw notOurs(out, name);
  });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const foreign = files.find((file) => !ofRun.has(file) && !isUnfinished(lastOf(file.split(/[\\/]/))));
  if (foreign !== undefined) throw notOurs(out, join(name, foreign));
  // A demo that was killed early left an empty folder, or one with a lock.
  if (files.includes("metrics.jsonl") || files.includes("run.json")) await readRun(folder);
}
