import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { placeholderIn, tablesIn } from "../../src/cli/commands/reproduce/tables.ts";
import { petalface } from "./process.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

it("lists every page of results, and each names a benchmark that exists", async () => {
  const { code, stdout } = await petalface(["reproduce", "--json"]);
  expect(code).toBe(0);
  const { tables } = JSON.parse(stdout) as { tables: { name: string; args?: string[] }[] };
  expect(tables.length).toBeGreaterThan(15);
  const benchmarks = [
    "embed",
    ...readdirSync(`${root}bench`).filter((name) => existsSync(`${root}bench/${name}/main.ts`)),
  ];
  for (const { name, args } of tables) if (args !== undefined) expect(benchmarks, name).toContain(args[0]);
});

it("reads the first command of a page as a shell does", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-reproduce-"));
  await writeFile(
    join(folder, "a.md"),
    "# A\n\n    npm run bench -- faces --contenders \"frozen;petal\" --options '{}' --n 1\n    npm run bench -- b\n",
  );
  await writeFile(join(folder, "a-long.md"), "# L\n\n    npm run bench -- a --kinds 'one'\\''s own' --page a-long\n");
  await writeFile(join(folder, "b.md"), "# B\n\nno command\n");
  const tables = await tablesIn(folder);
  await rm(folder, { recursive: true });
  expect(tables).toEqual([
    { name: "a-long", title: "L", args: ["a", "--kinds", "one's own", "--page", "a-long"] },
    {
      name: "a",
      title: "A",
      args: ["faces", "--contenders", "frozen;petal", "--options", "{}", "--n", "1", "--page", "a"],
    },
    { name: "b", title: "B", args: undefined },
  ]);
  expect(placeholderIn(["align", "--python", "PYTHON"])).toBe("PYTHON");
  expect(placeholderIn(["data", "--files", "10"])).toBeUndefined();
});

it("says which tables there are, and what to fill in", async () => {
  expect(await petalface(["reproduce", "nothing"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("the tables are"),
  });
  // Its page always needs a run of the reader's.
  expect(await petalface(["reproduce", "export"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("replace RUN"),
  });
});
