import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as petalface from "../packages/petalface/src/index.ts";

const folder = join(import.meta.dirname, "../packages/petalface");
interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly publishConfig: { readonly exports: Readonly<Record<string, { types: string; default: string }>> };
}
const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest;

test("petalface exports its calls and little else", () => {
  const calls = ["adapt", "audit", "compare", "embed", "embedToFile", "evaluate", "exportModel", "leaderboard"];
  expect(Object.keys(petalface).sort()).toEqual(["PetalfaceError", ...calls, "openModel", "resume"]);
});

test("the published package has every entry of the sources, built beside each other", () => {
  const { exports, publishConfig } = manifest;
  expect(Object.keys(publishConfig.exports)).toEqual(Object.keys(exports));
  for (const [name, source] of Object.entries(exports)) {
    const built = source.replace("./src/", "./dist/");
    expect(publishConfig.exports[name]).toEqual({
      types: built.replace(/\.ts$/, ".d.ts"),
      default: built.replace(/\.ts$/, ".js"),
    });
  }
});
