import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Everything in a run's folder by its name, but for records of times, and for the commit of the
 * sources in run.json: someone may edit them while tests run.
 */
export async function bitsOfRun(run: string): Promise<Record<string, string>> {
  const names = await readdir(run, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const bits: Record<string, string> = {};
  for (const path of files.sort())
    if (!path.includes("tfevents")) bits[path.slice(run.length)] = (await readFile(path)).toString("base64");
  const record = bits["/run.json"];
  if (record !== undefined) {
    const { commit: _, ...others } = JSON.parse(Buffer.from(record, "base64").toString());
    bits["/run.json"] = Buffer.from(JSON.stringify(others)).toString("base64");
  }
  return bits;
}
