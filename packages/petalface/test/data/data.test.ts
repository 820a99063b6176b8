import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FaceData, openData, subset } from "../../src/data/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const base = temporaryFolder();
const lfw = shared("data", "lfw112");
let folders = 0;

/**
 * A new folder with these files; a name that ends in "/" is a folder. Nothing here reads an image,
 * so any text will do.
 */
function tree(...names: string[]): string {
  const root = join(base, `set ${folders++}`);
  mkdirSync(root);
  for (const name of names) {
    const path = join(root, name);
    mkdirSync(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(path, name);
  }
  return root;
}

function samples(data: FaceData) {
  return Array.from({ length: data.length }, (_, index) => data.at(index));
}

async function problem(spec: string): Promise<PetalfaceError> {
  const error = await openData(spec).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PetalfaceError);
  expect((error as PetalfaceError).message).not.toContain("\n");
  expect((error as PetalfaceError).message.length).toBeLessThan(500);
  return error as PetalfaceError;
}

describe("a folder of one folder per person", () => {
  it("lists people and photos in the order of their code units", async () => {
    const root = tree("b/2.jpg", "b/10.PNG", "Åsa/x.webp", "a/é.avif", "B/1.jpeg", "山田/1.jpg");
    const data = await openData(root);
    expect(data.people).toEqual(["B", "a", "b", "Åsa", "山田"]);
    expect(samples(data).map(({ id }) => id)).toEqual([
      "B/1.jpeg",
      "a/é.avif",
      "b/10.PNG",
      "b/2.jpg",
      "Åsa/x.webp",
      "山田/1.jpg",
    ]);
    expect(samples(data).map(({ person }) => person)).toEqual([0, 1, 2, 2, 3, 4]);
    expect(data.at(1).source).toEqual({ kind: "file", path: join(root, "a", "é.avif") });
    expect([data.spec, data.length, data.skipped]).toEqual([root, 6, 0]);
  });

  it("passes over hidden entries and people without photos, and counts other files", async () => {
    const root = tree(
      "a/1.jpg",
      "a/notes.txt",
      "a/.thumb.jpg",
      ".cache/1.jpg",
      "empty/",
      "README.md",
      "b/Thumbs.db",
      "c/1.jpg",
    );
    const data = await openData(root);
    expect(data.people).toEqual(["a", "c"]);
    expect(samples(data).map(({ id, person }) => [id, person])).toEqual([
      ["a/1.jpg", 0],
      ["c/1.jpg", 1],
    ]);
    expect(data.skipped).toBe(2);
  });

  it("follows links to photos and to people", async () => {
    const elsewhere = tree("1.jpg");
    const root = tree("a/1.jpg");
    symlinkSync(elsewhere, join(root, "b"));
    symlinkSync(join(elsewhere, "1.jpg"), join(root, "a", "2.jpg"));
    expect(samples(await openData(root)).map(({ id }) => id)).toEqual(["a/1.jpg", "a/2.jpg", "b/1.jpg"]);
    symlinkSync(join(elsewhere, "gone.jpg"), join(root, "a", "3.jpg"));
    const data = await openData(root);
    expect(data.length).toBe(3);
    expect(data.unreadable).toEqual({ count: 1, tried: 4, first: [`${join(root, "a", "3.jpg")}: there is no file`] });
  });

  it("passes over what is no file though it is called like a photo", async () => {
    const root = tree("a/1.jpg");
    const server = createServer().listen(join(root, "a", "2.jpg"));
    await once(server, "listening");
    const { length, unreadable } = await openData(root);
    server.close();
    expect([length, unreadable?.first]).toEqual([1, [`${join(root, "a", "2.jpg")}: it is not a file`]]);
  });

  it("may hold folders of one person, which are said", async () => {
    const data = await openData(tree("a/1.jpg", "a/more/2.jpg", "b/1.jpg"));
    expect([data.people, data.nested]).toEqual([["a", "b"], "a/more"]);
    expect(samples(data).map(({ id, person }) => [id, person])).toEqual([
      ["a/1.jpg", 0],
      ["a/more/2.jpg", 0],
      ["b/1.jpg", 1],
    ]);
  });

  it("may not hold loose photos", async () => {
    const { message } = await problem(tree("a/1.jpg", "loose.jpg"));
    expect(message).toContain("both folders (such as a) and loose photos (such as loose.jpg)");
  });

  it.skipIf(!lfw.exists)("may hold all of LFW (needs the shared data)", async () => {
    const data = await openData(lfw.path);
    expect([data.length, data.people.length]).toEqual([13_233, 5749]);
    const abel = data.people.indexOf("Abel_Pacheco");
    expect(samples(data).filter(({ person }) => person === abel).length).toBe(4);
  });
});

describe("a flat folder", () => {
  it("has photos and no people", async () => {
    const data = await openData(tree("2.jpg", "1.jpg", "x.txt"));
    expect(data.people).toEqual([]);
    expect(samples(data).map(({ id, person }) => [id, person])).toEqual([
      ["1.jpg", -1],
      ["2.jpg", -1],
    ]);
    expect(data.skipped).toBe(1);
  });
});

describe("what holds no photos", () => {
  it("is an error that says what was looked for", async () => {
    expect((await problem(tree())).message).toContain("holds no photos; photos end in .jpg");
    expect((await problem(tree("a.txt", "b.doc"))).message).toContain("(2 other files were seen)");
    expect((await problem(tree("a/", "b/"))).message).toContain("holds no photos");
    expect((await problem(join(base, "absent"))).message).toContain("does not exist");
    expect((await problem("")).message).toContain("does not exist");
    expect((await problem(join(tree("faces.zip"), "faces.zip"))).message).toContain("neither a folder");
    expect((await problem(join(tree("a.jpg"), "a.jpg", "b"))).message).toContain("does not exist");
  });
});

describe("synthetic people", () => {
  it("are a thousand with four photos each unless said otherwise", async () => {
    const data = await openData("synthetic");
    expect([data.length, data.people.length]).toEqual([4000, 1000]);
    expect(data.at(4)).toEqual({ id: "1/0", person: 1, source: { kind: "synthetic", seed: 0, person: 1, image: 0 } });
    expect((await openData("synthetic:people=1000,seed=0,images=4")).fingerprint).toBe(data.fingerprint);
  });

  it("are numbered person by person", () => {
    const count = fc.integer({ min: 1, max: 30 });
    return fc.assert(
      fc.asyncProperty(count, count, fc.maxSafeNat(), async (people, images, seed) => {
        const data = await openData(`synthetic:people=${people},images=${images},seed=${seed}`);
        const all = samples(data);
        expect(all.length).toBe(people * images);
        expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
        expect(all.at(-1)).toEqual({
          id: `${people - 1}/${images - 1}`,
          person: people - 1,
          source: { kind: "synthetic", seed, person: people - 1, image: images - 1 },
        });
      }),
    );
  });

  it("of other numbers have another fingerprint", async () => {
    const specs = ["people=2", "people=2,images=2", "images=2", "seed=2", "people=22"].map(
      (text) => `synthetic:${text}`,
    );
    const prints = await Promise.all(specs.map(async (spec) => (await openData(spec)).fingerprint));
    expect(new Set(prints).size).toBe(specs.length);
  });

  it.each([
    "people=0",
    "people=",
    "people=1.5",
    "people=-1",
    "people=1e9",
    "images=x",
    "seed=99999999999999999",
    "faces=1",
    "people",
    "people=1=2",
    "toString=1",
  ])("are refused as synthetic:%s", async (text) => {
    const error = await problem(`synthetic:${text}`);
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain("write synthetic:people=N,images=M,seed=S");
  });
});

describe("a manifest", () => {
  const manifest = (text: string, name = "list.csv") => {
    const root = tree("a/1.jpg", "a/2.jpg", "b/ü, 1.jpg");
    writeFileSync(join(root, name), text);
    return join(root, name);
  };

  it("of CSV names photos, people and quality", async () => {
    const lines = ["person,path,quality,camera", 'Zoë,"b/ü, 1.jpg",0.5,x', "Ann,a/1.jpg,,y", ""];
    const path = manifest(`\uFEFF${lines.join("\r\n")}`);
    const data = await openData(path);
    expect(data.people).toEqual(["Ann", "Zoë"]);
    expect(samples(data)).toEqual([
      { id: "b/ü, 1.jpg", person: 1, source: { kind: "file", path: join(dirname(path), "b/ü, 1.jpg") }, quality: 0.5 },
      { id: "a/1.jpg", person: 0, source: { kind: "file", path: join(dirname(path), "a/1.jpg") } },
    ]);
  });

  it("of JSON lines does the same", async () => {
    const lines = [
      { path: "a/1.jpg", person: 7, quality: -2 },
      { path: "b/ü, 1.jpg", person: "x" },
    ];
    const data = await openData(manifest(`${lines.map((line) => JSON.stringify(line)).join("\n")}\n\n`, "list.jsonl"));
    expect(data.people).toEqual(["7", "x"]);
    expect(samples(data).map(({ person, quality }) => [person, quality])).toEqual([
      [0, -2],
      [1, undefined],
    ]);
  });

  it("may leave people out", async () => {
    const data = await openData(manifest("path\na/1.jpg\na/2.jpg\n"));
    expect([data.people, data.at(1).person]).toEqual([[], -1]);
  });

  it("may name files anywhere", async () => {
    const path = join(tree("x.jpg"), "x.jpg");
    expect((await openData(manifest(`path\n${path}\n`))).at(0).source).toEqual({ kind: "file", path });
  });

  it.each<[string, string, RegExp]>([
    ["list.csv", "", /lists no photos/],
    ["list.csv", "path,person\n", /lists no photos/],
    ["list.csv", "file,person\na/1.jpg,x\n", /no column "path"/],
    ["list.csv", "path,person\na/8.jpg,x\na/9.jpg,x\n", /2 of the 2 images.* line 2, a\/8.jpg: there is no file;/],
    ["list.csv", "path,person\na/1.jpg,x\na/1.jpg,x\n", /line 3: a\/1.jpg is listed twice/],
    ["list.csv", "path,person\na/1.jpg,x\na/2.jpg,\n", /line 3: some lines have a person/],
    ["list.csv", "path,quality\na/1.jpg,good\n", /line 2: quality "good" is not a number/],
    ["list.csv", "path,person\na/1.jpg\n", /cannot read .*line 2/i],
    ["list.csv", 'path\n"a/1.jpg\n', /cannot read/],
    ["list.csv", `path\n${"x".repeat(200_000)}\n`, /cannot read/],
    ["list.csv", "path\na\n", /lists no photos that are there: .*, line 2, a: it is a folder/],
    ["list.jsonl", "", /lists no photos/],
    ["list.jsonl", '{"path":"a/1.jpg"}\n{"path":', /line 2: not a JSON object/],
    ["list.jsonl", "[1]\n", /line 1: not a JSON object/],
    ["list.jsonl", '{"person":"x"}\n', /line 1: no path/],
    ["list.jsonl", '{"path":5}\n', /line 1: no path/],
    ["list.jsonl", '{"path":"a/1.jpg","quality":[1,2]}\n', /line 1: quality \[1,2\] is not a number/],
    ["list.jsonl", `{"path":"${"x".repeat(200_000)}"}\n`, /line 1: .*too long/],
  ])("is refused with its line: %s %.60j", async (name, text, message) => {
    expect((await problem(manifest(text, name))).message).toMatch(message);
  });
});

describe("the fingerprint", () => {
  it("is the same wherever the folder lies", async () => {
    const root = tree("a/1.jpg", "b/1.jpg");
    const before = await openData(root);
    expect(before.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    renameSync(root, `${root} moved`);
    expect((await openData(`${root} moved`)).fingerprint).toBe(before.fingerprint);
  });

  it("changes with a name, a size, a photo more or less", async () => {
    const root = tree("a/1.jpg", "b/1.jpg");
    const prints = new Set<string>();
    const note = async () => prints.add((await openData(root)).fingerprint);
    await note();
    writeFileSync(join(root, "a", "1.jpg"), "longer than before");
    await note();
    writeFileSync(join(root, "a", "2.jpg"), "");
    await note();
    renameSync(join(root, "b"), join(root, "c"));
    await note();
    rmSync(join(root, "c"), { recursive: true });
    await note();
    expect(prints.size).toBe(5);
  });

  it("of a manifest changes with its people", async () => {
    const root = tree("1.jpg", "2.jpg");
    const print = async (text: string) => {
      writeFileSync(join(root, "m.csv"), text);
      return (await openData(join(root, "m.csv"))).fingerprint;
    };
    const together = await print("path,person\n1.jpg,a\n2.jpg,a\n");
    expect(await print("path,person\n1.jpg,a\n2.jpg,b\n")).not.toBe(together);
    expect(await print("path,person,note\n1.jpg,a,x\n2.jpg,a,y\n")).toBe(together);
  });
});

describe("subset", () => {
  const whole = openData("synthetic:people=6,images=3,seed=4");

  it("keeps some people and numbers them anew", async () => {
    const data = await whole;
    const kept = new Set([data.people[1], data.people[4]]);
    const part = subset(data, (_sample, person) => person !== undefined && kept.has(person));
    expect(part.people).toEqual([data.people[1], data.people[4]]);
    expect(samples(part).map(({ id, person }) => [id, person])).toEqual([
      ["1/0", 0],
      ["1/1", 0],
      ["1/2", 0],
      ["4/0", 1],
      ["4/1", 1],
      ["4/2", 1],
    ]);
  });

  it("takes sample numbers in any order", async () => {
    const part = subset(await whole, [17, 0, 1]);
    expect(samples(part).map(({ id, person }) => [id, person])).toEqual([
      ["5/2", 1],
      ["0/0", 0],
      ["0/1", 0],
    ]);
    expect(() => subset(part, [3])).toThrow(RangeError);
    expect(() => part.at(3)).toThrow(RangeError);
  });

  it("has a fingerprint of its own that says what was kept", async () => {
    const data = await whole;
    const prints = [data, subset(data, [0, 1]), subset(data, [1, 0]), subset(data, [0]), subset(data, [])];
    expect(new Set(prints.map(({ fingerprint }) => fingerprint)).size).toBe(prints.length);
    expect(subset(data, ({ id }) => id === "0/0" || id === "0/1").fingerprint).toBe(prints[1]?.fingerprint);
  });

  it("of a flat folder stays without people", async () => {
    const part = subset(await openData(tree("1.jpg", "2.jpg")), [1]);
    expect([part.people, part.at(0).id, part.at(0).person]).toEqual([[], "2.jpg", -1]);
  });
});
