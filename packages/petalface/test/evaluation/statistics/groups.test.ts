import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readGroups } from "../../../src/api/evaluate/groups.ts";
import { measureEmbeddings, renderReport } from "../../../src/evaluation/index.ts";
import { measureGroups } from "../../../src/evaluation/statistics/groups.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

const protocol = fakeProtocol();
const result = await measureEmbeddings(
  protocol,
  { spec: "fake", fingerprint: "00" },
  fakeEmbeddings(protocol, 0.8),
  new Map([["lr:8", fakeEmbeddings(protocol, 1.6)]]),
  { bootstrap: { resamples: 50 } },
);

describe("measures within groups", () => {
  test("one group of everyone has the measures of all", () => {
    const everyone = { names: ["all"], of: new Int32Array(protocol.people.length) };
    const rows = measureGroups(result, everyone);
    for (const [title, kind] of [
      ["accuracy", "accuracy"],
      ["rank-1", "rank1"],
    ] as const)
      for (const measure of result.measures.filter((m) => m.kind === kind)) {
        const row = rows.find(
          (r) => r.title === title && JSON.stringify(r.condition) === JSON.stringify(measure.condition),
        );
        expect(row?.groups[0]?.value).toBeCloseTo(measure.value, 12);
      }
    const accepts = rows.find(({ title, condition }) => title === "false accepts" && condition.kind === "sharp");
    expect(accepts?.groups[0]?.value).toBeLessThanOrEqual(0.01);
    const rejects = rows.find(({ title, condition }) => title === "false rejects" && condition.kind === "sharp");
    const tar = result.measures.find(({ key }) => key === "tar@0.01/sharp");
    expect(rejects?.groups[0]?.value).toBeCloseTo(1 - (tar?.value ?? 0), 12);
  });

  test("each comparison counts in the group of both its people, and nowhere where they differ", () => {
    const of = Int32Array.from(protocol.people, (_, person) => (person % 5 === 0 ? -1 : person % 2));
    const rows = measureGroups(result, { names: ["even", "odd", "nobody"], of });
    const outcome = result.detail.outcomes.find(({ kind }) => kind === "identification");
    if (outcome?.kind !== "identification") throw new Error("no searches");
    const row = rows.find(({ title }) => title === "rank-1");
    for (const group of [0, 1]) {
      const own = [...outcome.person.keys()].filter((probe) => of[outcome.person[probe]] === group);
      const hits = own.filter((probe) => outcome.rank[probe] === 1).length;
      expect(row?.groups[group]?.value).toBeCloseTo(hits / own.length, 12);
    }
    expect(row?.groups[2]).toBeUndefined();
  });

  test("are a table of the report", async () => {
    const groups = { names: ["<women>", "men"], of: Int32Array.from(protocol.people, (_, person) => person % 2) };
    const page = await renderReport({ title: "t", results: [{ name: "frozen", result }], groups });
    expect(page).toContain("By group");
    expect(page).toContain("&#60;women&#62;");
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  });
});

describe("the column group of a manifest", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "groups-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const people = ["Ann", "Böb", "7"];

  test("CSV and JSON lines", async () => {
    const csv = join(folder, "faces.csv");
    await writeFile(csv, 'path,person,group\na.png,Ann,"x, y"\nb.png,Böb,z\nc.png,Ann,\nd.png,Zoe,other\n');
    expect(await readGroups(csv, people)).toEqual({ names: ["x, y", "z"], of: Int32Array.of(0, 1, -1) });
    const jsonl = join(folder, "faces.jsonl");
    await writeFile(jsonl, '{"path":"a.png","person":7,"group":1}\n\n{"path":"b.png","person":"Ann","group":2}\n');
    expect(await readGroups(jsonl, people)).toEqual({ names: ["1", "2"], of: Int32Array.of(1, -1, 0) });
  });
  test("nothing without one; one person in two groups is refused", async () => {
    expect(await readGroups("synthetic:people=3", people)).toBeUndefined();
    const csv = join(folder, "plain.csv");
    await writeFile(csv, "path,person\na.png,Ann\n");
    expect(await readGroups(csv, people)).toBeUndefined();
    await writeFile(csv, "path,person,group\na.png,Ann,x\nb.png,Ann,y\n");
    await expect(readGroups(csv, people)).rejects.toThrow(/"Ann" is in the groups "x" and "y"/);
    await writeFile(
      csv,
      `path,person,group\n${Array.from({ length: 13 }, (_, i) => `${i}.png,p${i},g${i}`).join("\n")}\n`,
    );
    await expect(
      readGroups(
        csv,
        Array.from({ length: 13 }, (_, i) => `p${i}`),
      ),
    ).rejects.toThrow(/13 values/);
  });
});
