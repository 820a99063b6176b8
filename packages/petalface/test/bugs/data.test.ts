import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import { openData } from "../../src/data/index.ts";
import { readMat } from "../../src/data/mat.ts";
import { findProtocol, readPairs, readVerificationPairs, resolveProtocol } from "../../src/evaluation/index.ts";
import { countSources, walkSources } from "../../src/faces/sources.ts";
import { petalface } from "../cli/process.ts";
import { shared, temporaryFolder } from "../images/helpers.ts";

const base = temporaryFolder();
let sets = 0;
let jpeg: Buffer;

beforeAll(async () => {
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  jpeg = await sharp({ create: { width: 32, height: 32, channels: 3, background: "#888", noise } })
    .jpeg()
    .toBuffer();
});

/** A folder with these files: pictures, unless a text is given. */
function tree(files: readonly string[] | Readonly<Record<string, string | Uint8Array>>): string {
  const root = join(base, `set ${sets++}`);
  const entries = Array.isArray(files) ? files.map((name) => [name, jpeg] as const) : Object.entries(files);
  for (const [name, content] of entries) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

const open = (spec: string) => openData(spec, { cache: false });
const idsOf = (data: Awaited<ReturnType<typeof open>>): string[] =>
  Array.from({ length: data.length }, (_, at) => data.at(at).id);

describe("what network storage and archives leave behind", () => {
  const litter = [
    "@eaDir/a/1.jpg@SYNOPHOTO_THUMB_XL.jpg",
    "a/@eaDir/1.jpg",
    "#recycle/b/2.jpg",
    "__MACOSX/a/._1.jpg",
    "a/._1.jpg",
    "$RECYCLE.BIN/c/3.jpg",
    "System Volume Information/x.jpg",
    "a/.DS_Store",
    "a/Thumbs.db",
  ];

  it("is no part of a folder of people", async () => {
    const data = await open(tree(["a/1.jpg", "b/1.jpg", ...litter]));
    expect(idsOf(data)).toEqual(["a/1.jpg", "b/1.jpg"]);
    expect(data.people).toEqual(["a", "b"]);
    expect(data.skipped).toBe(0);
    expect(data.unreadable?.count).toBe(0);
  });

  it("is not aligned", () => {
    const root = tree(["a/1.jpg", "b/1.jpg", ...litter]);
    expect(countSources(root)).toMatchObject({ photos: 2, others: 0, people: true });
    expect(Array.from(walkSources(root, true), ({ id }) => id)).toEqual(["a/1.jpg", "b/1.jpg"]);
  });

  it("is passed over and counted where a list names it", async () => {
    const root = tree(["a/1.jpg", ".hidden/b.jpg", ...litter]);
    const names = [
      "a/1.jpg",
      ".hidden/b.jpg",
      "__MACOSX/a/._1.jpg",
      "a/._1.jpg",
      "@eaDir/a/1.jpg@SYNOPHOTO_THUMB_XL.jpg",
    ];
    writeFileSync(join(root, "faces.csv"), ["path", ...names].join("\n"));
    const data = await open(join(root, "faces.csv"));
    expect(idsOf(data)).toEqual(["a/1.jpg", ".hidden/b.jpg"]);
    expect(data.skipped).toBe(3);
  });

  it("is no list of a protocol", async () => {
    const { readIjbMeta } = await import("../../src/data/index.ts");
    const meta = tree({
      "ijbc_face_tid_mid.txt": "1.jpg 1 1\n2.jpg 2 2\n",
      "._ijbc_face_tid_mid.txt": "\0\0",
      "ijbc_name_5pts_score.txt": `1.jpg${" 1".repeat(10)} 0.5\n2.jpg${" 1".repeat(10)} 0.5\n`,
      "ijbc_template_pair_label.txt": "1 2 0\n",
    });
    expect((await readIjbMeta(meta)).names.length).toBe(2);
  });
});

describe("lists in another encoding", () => {
  const latin = Buffer.from("path,person\n1.jpg,Ren\xe9\n2.jpg,Ren\xe8\n", "latin1");

  it.each([
    ["CSV", "faces.csv", latin, 2],
    [
      "JSON lines",
      "faces.jsonl",
      Buffer.from('{"path":"1.jpg","person":"a"}\n{"path":"2.jpg","person":"\xe9"}\n', "latin1"),
      2,
    ],
    ["MXNet's list", "faces.lst", Buffer.from("0\t1\t1.jpg\n1\t2\t\xe9.jpg\n", "latin1"), 2],
    ["UTF-16", "faces.csv", Buffer.from("\ufeffpath,person\n1.jpg,a\n", "utf16le"), 1],
  ])("%s is refused with its line", async (_, name, content, line) => {
    const root = tree({ "1.jpg": jpeg, "2.jpg": jpeg, [name]: content });
    await expect(open(join(root, name))).rejects.toThrow(
      `${name}, line ${line}: not UTF-8 text; save the file as UTF-8`,
    );
  });

  it("a long list is refused wherever the byte stands, and read where it is UTF-8, with and without a mark", async () => {
    const rows = Array.from({ length: 9000 }, (_, at) => `nobody${at}.jpg,Zoë ${at % 7}`);
    const text = ["path,person", "1.jpg,Zoë 1", ...rows].join("\r\n");
    const bytes = Buffer.from(text);
    const place = bytes.indexOf("Zoë", bytes.length - 100) + 2;
    bytes[place] = 0x20;
    const line = bytes.subarray(0, place).toString("latin1").split("\n").length;
    const root = tree({ "1.jpg": jpeg, "bad.csv": bytes });
    await expect(open(join(root, "bad.csv"))).rejects.toThrow(`bad.csv, line ${line}: not UTF-8 text`);
    for (const mark of ["", "\ufeff"]) {
      writeFileSync(join(root, "good.csv"), `${mark}path,person\r\n1.jpg,Zoë\r\n`);
      expect((await open(join(root, "good.csv"))).people).toEqual(["Zoë"]);
    }
  });

  it("templates and groups are refused too", async () => {
    const root = tree({
      "1.jpg": jpeg,
      "t.csv": Buffer.from("path,person,set,template\n1.jpg,\xe9,probe,1\n", "latin1"),
    });
    await expect(findProtocol("briar")?.open?.({ data: join(root, "t.csv") })).rejects.toThrow("not UTF-8 text");
  });
});

describe("names that differ in their Unicode form only", () => {
  const [composed, decomposed] = ["Renée", "Renée".normalize("NFD")];

  it("pairs find their faces, whichever form the list or the disk has", async () => {
    for (const [list, disk] of [
      [composed, decomposed],
      [decomposed, composed],
    ] as const) {
      const root = tree([`${disk}/1.jpg`, `${disk}/2.jpg`, "b/1.jpg"]);
      writeFileSync(
        join(root, "pairs.csv"),
        `path1,path2,same,fold\n${[1, 2].flatMap((fold) => [`${list}/1.jpg,${disk}/2.jpg,1,${fold}`, `${list}/1.jpg,b/1.jpg,0,${fold}`]).join("\n")}\n`,
      );
      const protocol = await readPairs(join(root, "pairs.csv"));
      expect(protocol.people).toHaveLength(2);
      const data = await open(root);
      expect([...resolveProtocol(protocol, data)].sort()).toEqual([0, 1, 2]);
    }
  });

  it("a manifest finds its files, and one person in two forms is one person", async () => {
    const root = tree([`${decomposed}/${composed}.jpg`, `${decomposed}/2.jpg`]);
    writeFileSync(
      join(root, "faces.csv"),
      `path,person\n${composed}/${decomposed}.jpg,${composed}\n${composed}/2.jpg,${decomposed}\n`,
    );
    const data = await open(join(root, "faces.csv"));
    expect(data.people).toEqual([composed]);
    expect(data.unreadable?.count).toBe(0);
    expect(idsOf(data)).toEqual([`${decomposed}/${composed}.jpg`, `${decomposed}/2.jpg`]);
    expect(readFileSync((data.at(0).source as { path: string }).path)).toEqual(jpeg);
  });

  it("two people, or two photos, of one name are refused", async () => {
    for (const files of [
      [`${composed}/1.jpg`, `${decomposed}/1.jpg`],
      [`a/${composed}.jpg`, `a/${decomposed}.jpg`],
    ])
      await expect(open(tree(files))).rejects.toThrow("in two Unicode forms");
  });

  it("enrolled and searched people are the same ones", async () => {
    const root = tree([`gallery/${composed}/1.jpg`, `probe/${decomposed}/1.jpg`, "gallery/b/1.jpg"]);
    const protocol = await findProtocol("identification")?.open?.({ data: root });
    expect([...(protocol?.person ?? [])]).toEqual([0, 1, 0].map((_, at) => protocol?.person[at]));
    expect(protocol?.people).toBe(2);
  });
});

describe("verification lists name nobody", () => {
  const mini = shared("oracle", "formats", "verification", "lfw_mini_python2.bin");

  test.skipIf(!mini.exists)("so they have no rank-1 part, and say that people are guessed", async () => {
    const protocol = await readVerificationPairs(mini.path);
    expect(protocol).toMatchObject({ guessed: true, gallery: [], probes: [] });
  });
});

describe("MATLAB 7.3", () => {
  const signature = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");

  it.each([0, 512, 1024, 4096])("is recognised with its signature at byte %i", async (at) => {
    const root = tree({ "list.mat": Buffer.concat([Buffer.alloc(at, "MATLAB 7.3 "), signature, Buffer.alloc(64)]) });
    await expect(readMat(join(root, "list.mat"))).rejects.toThrow("version 7.3; save it with -v7");
  });
});

const bugs = shared("bugs");

describe.skipIf(!bugs.exists)("the faults that were found (needs PETALFACE_SHARED)", () => {
  const bug = (name: string) => join(bugs.path, name);

  it("latin1-manifest: is refused, with its line", async () => {
    const spec = join(bug("latin1-manifest"), "faces.csv");
    await expect(open(spec)).rejects.toThrow(/faces\.csv, line \d: not UTF-8 text/);
  });

  it("mat-v73: the sentence about the version", async () => {
    await expect(readMat(join(bug("mat-v73"), "v73.mat"))).rejects.toThrow("version 7.3; save it with -v7");
  });

  it("rank1-of-bin: no rank-1 of guessed people, and their intervals say so", async () => {
    const folder = bug("rank1-of-bin");
    const model = join(bug("nan-embedding"), "whitened.onnx");
    const evaluate = (...args: string[]) =>
      petalface(["evaluate", "--model", model, "--degrade", "none", "--resamples", "20", ...args]);
    const named = await evaluate("--protocol", join(folder, "pairs.csv"), "--data", join(folder, "faces"), "--json");
    const kinds = ({ stdout }: { stdout: string }): string[] =>
      JSON.parse(stdout).frozen.measures.map(({ kind }: { kind: string }) => kind);
    expect(named.stderr).not.toContain("guessed");
    expect(kinds(named)).toContain("rank1");
    const guessed = await evaluate("--protocol", "lfw", "--data", join(folder, "lfw.bin"), "--json");
    expect(kinds(guessed)).not.toContain("rank1");
    expect(JSON.parse(guessed.stdout).frozen.protocol).toMatchObject({ guessed: true, probes: 0, gallery: 0 });
    const text = await evaluate("--protocol", "lfw", "--data", join(folder, "lfw.bin"));
    expect(text.stdout).toMatch(/guessed from the pairs: .* too narrow/);
  });
});
