import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { openData } from "../../src/data/index.ts";
import { readMat } from "../../src/data/mat.ts";
import { findImages, findProtocol, readPairs, readVerificationPairs } from "../../src/evaluation/index.ts";
import { countSources, walkSources } from "../../src/faces/sources.ts";
import { openLoader } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsOf, jpeg, open, treesIn } from "./trees.ts";

const base = temporaryFolder();
const tree = treesIn(base);

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
      expect([...findImages(protocol, data)].sort()).toEqual([0, 1, 2]);
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

describe("files are judged by what they hold", () => {
  const heic = Buffer.concat([Buffer.from("\0\0\0\x18ftypheic", "latin1"), Buffer.alloc(64)]);

  it("a JPEG called .heic, otherwise or nothing at all is a photo; a HEIC, whatever it is called, is none", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `b/${String(at).padStart(2, "0")}.jpg`);
    const files = Object.fromEntries(names.map((name) => [name, jpeg]));
    const root = tree({
      ...files,
      "a/1.heic": jpeg,
      "a/2": jpeg,
      "a/3.jpg_large": jpeg,
      "a/4.heic": heic,
      "a/5.txt": "no",
    });
    const data = await open(root);
    expect(idsOf(data).slice(0, 3)).toEqual(["a/1.heic", "a/2", "a/3.jpg_large"]);
    expect(data.skipped).toBe(1);
    expect(data.unreadable).toMatchObject({ count: 1, first: [expect.stringContaining("4.heic: HEIC is not read")] });
    expect(countSources(root)).toMatchObject({ photos: 24, others: 1 });
    await using loader = openLoader({ size: 16, threads: 0 });
    await loader.load([0, 1, 2].map((at) => ({ source: data.at(at).source, flip: false })));
    writeFileSync(join(root, "list.csv"), "path\na/1.heic\nb/00.jpg\na/4.heic\n");
    const listed = await open(join(root, "list.csv"));
    expect([idsOf(listed), listed.unreadable?.count]).toEqual([["a/1.heic", "b/00.jpg"], 1]);
  });

  it("rows without a file are counted, and more than 5 % end the work unless more may be", async () => {
    const root = tree(["a/1.jpg", "a/2.jpg"]);
    writeFileSync(join(root, "list.csv"), "path\na/1.jpg\na/2.jpg\na/3.jpg\na/4.jpg\n");
    await expect(open(join(root, "list.csv"))).rejects.toThrow(/2 of the 4 images tried .*'maxLeftOut'/);
    const data = await openData(join(root, "list.csv"), { cache: false, mostLeftOut: 0.5 });
    expect([data.length, data.unreadable?.count]).toEqual([2, 2]);
  });
});

describe("folders within people's folders", () => {
  it("are the outermost folder's person, as in CFP, and kept so in the list of a large set", async () => {
    const ids = ["001", "002", "003"].flatMap((who) =>
      ["frontal/01.jpg", "profile/01.jpg", "profile/left/02.jpg"].map((photo) => `${who}/${photo}`),
    );
    const root = tree(ids);
    symlinkSync("..", join(root, "001", "profile", "up"));
    const [now, cache] = [Date.now, join(base, "nested lists")];
    Date.now = () => now() + 10_000;
    try {
      for (const _ of ["listed", "from the kept list"]) {
        const data = await openData(root, { cache, cacheFrom: 1 });
        expect(idsOf(data).sort()).toEqual(ids);
        expect([data.people, data.nested]).toEqual([["001", "002", "003"], "001/frontal"]);
        expect(idsOf(data).map((id) => id.slice(0, 3))).toEqual(
          Array.from({ length: data.length }, (_at, at) => data.people[data.at(at).person]),
        );
        expect(readFileSync((data.at(2).source as { path: string }).path)).toEqual(jpeg);
      }
    } finally {
      Date.now = now;
    }
  });

  it("are refused where they seem to be people of a training and a test set", async () => {
    const root = tree(["train/001/1.jpg", "train/002/1.jpg", "test/003/1.jpg"]);
    await expect(open(root)).rejects.toThrow("seems to hold sets of people, not people: 2 folders with 3 folders");
    expect((await open(join(root, "train"))).people).toEqual(["001", "002"]);
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

// Each starts the command line several times, which may take long on a busy machine.
describe.skipIf(!bugs.exists)("the faults that were found (needs PETALFACE_SHARED)", () => {
  const bug = (name: string) => join(bugs.path, name);

  it("latin1-manifest: is refused, with its line", async () => {
    const spec = join(bug("latin1-manifest"), "faces.csv");
    await expect(open(spec)).rejects.toThrow(/faces\.csv, line \d: not UTF-8 text/);
  });

  it("mat-v73: the sentence about the version", async () => {
    await expect(readMat(join(bug("mat-v73"), "v73.mat"))).rejects.toThrow("version 7.3; save it with -v7");
  });

  it("nan-embedding: embed leaves the picture out, evaluate, inspect and quality name it", async () => {
    const folder = bug("nan-embedding");
    const [model, set] = [join(folder, "whitened.onnx"), join(folder, "faces")];
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await petalface([...args, "--json"]);
      return { code, stderr, document: JSON.parse(stdout) };
    };
    const out = join(base, "nan.npy");
    const embedded = await run("embed", "--model", model, "--images", set, "--out", out);
    expect(embedded).toMatchObject({ code: 0, stderr: expect.stringContaining("black.png") });
    expect(embedded.document).toMatchObject({ faces: 12, leftOut: { count: 1, notFinite: 1, tried: 13 } });
    const bytes = readFileSync(out);
    const head = 10 + bytes.readUInt16LE(8);
    expect(bytes.toString("latin1", 0, head)).toContain("(12, 32)");
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + head, bytes.byteOffset + bytes.length));
    expect([values.length, values.every(Number.isFinite)]).toEqual([12 * 32, true]);
    expect(readFileSync(join(base, "nan.csv"), "utf8")).not.toContain("black");

    const judged = await run("evaluate", "--model", model, "--protocol", join(folder, "pairs.csv"), "--data", set);
    expect(judged.stderr).toContain("p00/black.png: its embedding is not finite");
    expect(judged.document.frozen.leftOut).toMatchObject({ count: 1, notFinite: 1, faces: ["p00/black.png"] });

    const inspected = await run("inspect", set, "--model", model);
    expect(inspected.document.findings).toMatchObject({ notFinite: [{ id: "p00/black.png" }] });
    expect(Number.isFinite(inspected.document.findings.outliers.below)).toBe(true);
    expect(JSON.stringify(inspected.document.findings.outliers)).not.toContain("black.png");

    const quality = await run("quality", set, "--metric", "norm", "--model", model);
    expect(quality.document).toMatchObject({ leftOut: { count: 1, notFinite: 1 } });
    expect(quality.stderr).toContain("p00/black.png: its norm is not finite");
    expect(Number.isFinite(quality.document.summary.score.mean)).toBe(true);
  });

  it("nan-embedding: adapt names the picture and trains on the others", async () => {
    const folder = bug("nan-embedding");
    const where = ["--model", join(folder, "whitened.onnx"), "--train", join(folder, "faces"), "--aligned", "yes"];
    const how = ["--sites", "all", "--batch", "4", "--epochs", "1", "--threads", "1", "--out", join(base, "nan run")];
    const { code, stdout, stderr } = await petalface(["adapt", ...where, ...how, "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("black.png: its embedding is not") });
    expect(JSON.parse(stdout).leftOut).toMatchObject({ count: 1, notFinite: 1 });
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
    expect(text.stdout).toMatch(/guessed from the pairs: [\s\S]* too\s+narrow/);
  });
});
