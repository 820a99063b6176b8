import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { openData } from "../../src/data/index.ts";
import { encodePixels, openLoader } from "../../src/images/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const run = promisify(execFile);
const repository = join(import.meta.dirname, "../../../..");
/** Pages whose TypeScript examples run here. */
const pages = ["docs/library.md", "docs/networks.md", "packages/petalface/README.md", "README.md"];

/** The blocks of a page that are marked as TypeScript and use petalface. */
async function examplesOf(page: string): Promise<string[]> {
  const text = await readFile(join(repository, page), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
}

const examples = (await Promise.all(pages.map(examplesOf))).flatMap((codes, at) =>
  codes.map((code, number) => [`${pages[at]}, example ${number + 1}`, code] as const),
);

describe("the TypeScript examples of the documentation", () => {
  const folder = temporaryFolder("petalface-examples-");

  beforeAll(async () => {
    await symlink(join(repository, "node_modules"), join(folder, "node_modules"), "junction");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeTinyBackbone(join(folder, "model.onnx"), 1, 112);
    const data = await openData("synthetic:people=4,images=3,seed=2");
    const names = ["anna", "bert", "cleo", "dora"];
    const size = 112;
    const area = size * size;
    await using loader = openLoader({ size, threads: 0 });
    for (let face = 0; face < data.length; face++) {
      const { source, person } = data.at(face);
      const planes = await loader.load([{ source, flip: false }]);
      const pixels = Uint8Array.from({ length: 3 * area }, (_, i) => planes[(i % 3) * area + Math.floor(i / 3)] ?? 0);
      const path = join(folder, "faces", names[person] ?? "", `${(face % 3) + 1}.png`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, await encodePixels({ width: size, height: size, data: pixels }));
    }
  });

  test("there are some", () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
  });

  test.each(examples)("%s runs", async (name, code) => {
    const place = join(folder, name.replaceAll(/\W+/g, "-"));
    await mkdir(place);
    for (const each of ["faces", "model.onnx"]) await symlink(join(folder, each), join(place, each));
    const file = join(place, "example.ts");
    await writeFile(file, code);
    const env = { ...process.env, PETALFACE_CACHE: join(folder, "cache") };
    const { stdout } = await run(process.execPath, [file], { cwd: place, env });
    // What a comment of an example says of a line that it prints.
    for (const [, said = ""] of code.matchAll(/console\.log\(.*\); \/\/ ([^:;]+?)(?:[:;].*)?$/gm))
      expect(stdout).toContain(said);
  });
});
