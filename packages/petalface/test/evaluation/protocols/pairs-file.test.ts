import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findImages, readPairs } from "../../../src/evaluation/index.ts";
import { fakeData } from "../fixtures.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pairs-"));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (text: string | Uint8Array, name = "pairs.txt"): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};
const lfw = [
  "2\t2",
  "A\t1\t2",
  "B\t1\t2",
  "A\t3\tB\t1",
  "B\t3\tA\t1",
  "C\t1\t12",
  "D\t1\t2",
  "C\t1\tD\t1",
  "D\t2\tC\t12",
];

describe("LFW's format", () => {
  test("gives images, people, folds, gallery and probes", async () => {
    const protocol = await readPairs(await file(lfw.join("\n")));
    expect(protocol.people).toEqual(["A", "B", "C", "D"]);
    expect(protocol.images[0]).toEqual({ id: "A/A_0001.jpg", person: 0 });
    expect(protocol.images.map((i) => i.id)).toContain("C/C_0012.jpg");
    expect(protocol.pairs.map((p) => [p.same, p.fold])).toEqual([
      [true, 0],
      [true, 0],
      [false, 0],
      [false, 0],
      [true, 1],
      [true, 1],
      [false, 1],
      [false, 1],
    ]);
    const names = (list: readonly number[]) => list.map((i) => protocol.images[i]?.id);
    expect(names(protocol.gallery)).toEqual(["A/A_0001.jpg", "B/B_0001.jpg", "C/C_0001.jpg", "D/D_0001.jpg"]);
    expect(names(protocol.probes).sort()).toEqual([
      "A/A_0002.jpg",
      "A/A_0003.jpg",
      "B/B_0002.jpg",
      "B/B_0003.jpg",
      "C/C_0012.jpg",
      "D/D_0002.jpg",
    ]);
  });

  test("Windows line ends, spaces and non-ASCII names make no difference", async () => {
    const text = lfw.join("\r\n").replaceAll("\t", " ").replaceAll("A", "Žofie_Ängström");
    const protocol = await readPairs(await file(`${text}\r\n\r\n`));
    expect(protocol.images[0]?.id).toBe("Žofie_Ängström/Žofie_Ängström_0001.jpg");
    expect(protocol.pairs).toHaveLength(8);
  });

  test("the fingerprint follows the pairs, not the file's name", async () => {
    const one = await readPairs(await file(lfw.join("\n")));
    const renamed = await readPairs(await file(lfw.join("\n"), "other.txt"));
    const changed = await readPairs(await file(lfw.join("\n").replace("B\t1\t2", "B\t1\t4")));
    expect(renamed.fingerprint).toBe(one.fingerprint);
    expect(changed.fingerprint).not.toBe(one.fingerprint);
  });

  test("names such as __proto__ are names", async () => {
    const protocol = await readPairs(
      await file(lfw.join("\n").replaceAll("A", "__proto__").replaceAll("B", "constructor")),
    );
    expect(protocol.people.slice(0, 2)).toEqual(["__proto__", "constructor"]);
  });

  test("folds can be picked, and must be there", async () => {
    const lines = ["3 1", "A 1 2", "A 1 B 1", "C 1 2", "C 1 D 1", "E 1 2", "E 1 F 1"];
    const protocol = await readPairs(await file(lines.join("\n")), { folds: [1, 3] });
    expect(protocol.people).toEqual(["A", "B", "E", "F"]);
    expect(protocol.folds).toBe(2);
    expect(protocol.pairs.map((p) => p.fold)).toEqual([0, 0, 1, 1]);
    await expect(readPairs(await file(lines.join("\n")), { folds: [4] })).rejects.toThrow(
      /has no fold 4; it has 1, 2, 3/,
    );
    await expect(readPairs(await file(lines.join("\n")), { folds: [2] })).rejects.toThrow(/one fold only/);
  });

  test("one number in the first line is one set, dealt into folds", async () => {
    const protocol = await readPairs(await file(["2", "A 1 2", "B 1 2", "A 1 C 1", "B 1 D 1"].join("\n")));
    expect(protocol.pairs.map((p) => p.fold)).toEqual([0, 1, 0, 1]);
  });
});

describe("CSV", () => {
  test("people come from folders, folds from a column", async () => {
    const text =
      "﻿path1,path2,same,fold\nA/1.png,A/2.png,1,1\nA/1.png,./B/1.png,0,1\nC/1.png,C\\2.png,true,2\nC/1.png,A/1.png,no,2\n";
    const protocol = await readPairs(await file(text, "p.csv"));
    expect(protocol.people).toEqual(["A", "B", "C"]);
    expect(protocol.images.map((i) => i.id)).toEqual(["A/1.png", "A/2.png", "B/1.png", "C/1.png", "C/2.png"]);
    expect(protocol.pairs.map((p) => p.fold)).toEqual([0, 0, 1, 1]);
  });

  test("people can be named, and quoted fields hold commas", async () => {
    const text =
      'path1,path2,same,person1,person2\n"x,1.png",2.png,1,A,A\n"x,1.png",3.png,0,A,B\n2.png,"x,1.png",1,A,A\n2.png,3.png,0,A,B\n';
    const protocol = await readPairs(await file(text, "p.csv"));
    expect(protocol.images[0]).toEqual({ id: "x,1.png", person: 0 });
    expect(protocol.people).toEqual(["A", "B"]);
    expect(protocol.folds).toBe(2);
  });

  test("a hundred pairs of each kind without folds make ten folds of each", async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `p${i}/1,p${i}/2,1\np${i}/1,p${(i + 1) % 100}/1,0`);
    const protocol = await readPairs(await file(`path1,path2,same\n${rows.join("\n")}`, "p.csv"));
    for (let fold = 0; fold < 10; fold++)
      for (const same of [true, false])
        expect(protocol.pairs.filter((p) => p.fold === fold && p.same === same)).toHaveLength(10);
  });
});

describe("what is refused, with the line", () => {
  const header = "path1,path2,same\n";
  const good = "A/1,A/2,1\nA/1,B/1,0\nB/1,B/2,1\n";
  test.each<[string, string | Uint8Array, RegExp]>([
    ["an empty file", "", /is empty/],
    ["white space", " \n\n", /is empty/],
    ["prose", "hello world\nthis is text", /line 1: is neither/],
    ["a picture", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0x80, 0x81), /not UTF-8/],
    ["a promise not kept", "10 300\nA 1 2", /line 1 promises 10 x 300 .* 6000 in all, and 1 follow/],
    ["a huge promise", "99999999999999999999 99999999999999999999\nA 1 2", /line 1 promises/],
    ["nothing promised", "0 0\n", /holds no pairs/],
    ["a line of the wrong kind", lfw.with(3, "A\t1\t2").join("\n"), /line 4: has 3 fields; expected "name1 i name2 j"/],
    ["a number that is none", lfw.with(2, "B\tx\t2").join("\n"), /line 3: "x" is not an image number/],
    ["a negative number", lfw.with(2, "B\t-1\t2").join("\n"), /line 3: "-1" is not an image number/],
    ["one person as two", lfw.with(4, "B\t3\tB\t1").join("\n"), /line 5: names B twice/],
    ["a header without a column", "path1,path2,label\nA/1,A/2,1\n", /line 1: has no column same/],
    ["a header alone", header, /holds no pairs/],
    ["a flag that is none", `${header}${good}C/1,C/2,maybe\n`, /line 5: same is "maybe"/],
    [
      "a flag that contradicts the folders",
      `${header}${good}C/1,D/2,1\n`,
      /line 5: same is 1, but the images show "C" and "D"/,
    ],
    ["a way out of the folder", `${header}${good}../C/1,C/2,0\n`, /line 5: "..\/C\/1" leads out/],
    ["an absolute path", `${header}${good}/etc/passwd,C/2,0\n`, /line 5: .* leads out/],
    ["a Windows path", `${header}${good}C:\\x\\1,C/2,0\n`, /line 5: .* leads out/],
    ["an empty path", `${header}${good},C/2,0\n`, /line 5: a path is empty/],
    ["nobody's face", `${header}${good}1.png,C/2,0\n`, /line 5: nothing says who/],
    ["too few fields", `${header}${good}C/1,C/2\n`, /CSV.*line 5/],
    ["an open quote", `${header}${good}"C/1,C/2,1\n`, /not well-formed CSV/],
    ["a broken fold", "path1,path2,same,fold\nA/1,A/2,1,x\n", /line 2: fold is "x"/],
    ["an empty fold", "path1,path2,same,fold\nA/1,A/2,1,\n", /line 2: fold is ""/],
    ["one kind only", `${header}A/1,A/2,1\nB/1,B/2,1\n`, /2 pairs of one person and 0 of two/],
    [
      "one image of two people",
      "path1,path2,same,person1,person2\n1,2,1,A,A\n1,3,0,B,C\n",
      /1 is listed with two people/,
    ],
  ])("%s", async (_, text, message) => {
    await expect(readPairs(await file(text, "bad.csv"))).rejects.toThrow(message);
    await expect(readPairs(await file(text, "bad.csv"))).rejects.toMatchObject({ name: "PetalfaceError" });
  });

  test("a missing file and a folder", async () => {
    await expect(readPairs(join(folder, "none.txt"))).rejects.toThrow(/none\.txt: cannot be read/);
    await expect(readPairs(folder)).rejects.toThrow(/cannot be read/);
  });
});

describe("finding the images", () => {
  const text = "path1,path2,same\np0/0.jpg,p0/1.jpg,1\np0/0.jpg,p1/0.png,0\np1/0.png,p1/1.jpg,1\np0/1.jpg,p1/1.jpg,0\n";
  test("by id, else by id without extension", async () => {
    const protocol = await readPairs(await file(text, "p.csv"));
    expect([...findImages(protocol, fakeData(2, 2))]).toEqual([0, 1, 2, 3]);
  });
  test("counts what is missing and names the first", async () => {
    const protocol = await readPairs(await file(text, "p.csv"));
    expect(() => findImages(protocol, fakeData(2, 1))).toThrow(
      /2 of 4 images are not in fake, the first is "p0\/1.jpg"/,
    );
  });
});
