import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import type { Embedder } from "../../../src/backbones/index.ts";
import { joinData, openData } from "../../../src/data/index.ts";
import { PetalfaceError } from "../../../src/errors.ts";
import { embedFused, findProtocol, measureRows, namedProtocols, type Protocol } from "../../../src/evaluation/index.ts";
import { openLoader } from "../../../src/images/index.ts";
import { rowsOf } from "../../../src/matching/index.ts";
import { random } from "../../../src/random.ts";
import { petalface } from "../../cli/process.ts";
import { tinySize, writeTinyBackbone } from "../../support/backbone.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { writeCells } from "./mat.ts";

const base = temporaryFolder();
const model = join(base, "tiny.onnx");
let face: Buffer;
let trees = 0;

beforeAll(async () => {
  await writeTinyBackbone(model);
  const raw = { width: tinySize, height: tinySize, channels: 3 } as const;
  face = await sharp(Buffer.alloc(3 * tinySize ** 2, 90), { raw })
    .png()
    .toBuffer();
});

/** A new folder with these files, all of one face unless `different`. */
async function tree(names: readonly string[], different = false): Promise<string> {
  const root = join(base, `tree ${trees++}`);
  const raw = { width: tinySize, height: tinySize, channels: 3 } as const;
  for (const name of names) {
    const draw = random(name);
    const noise = Buffer.from(Array.from({ length: 3 * tinySize ** 2 }, () => draw.int(256)));
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), different ? await sharp(noise, { raw }).png().toBuffer() : face);
  }
  return root;
}

const open = (name: string, data: string, lists?: string): Promise<Protocol> =>
  findProtocol(name)?.open?.({ data, lists }) ?? Promise.reject(new Error(name));

async function problem(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PetalfaceError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

/** Rows that say who somebody is, with a little of their own. */
function rows(people: readonly number[], width = 8) {
  const draw = random("rows");
  const data = new Float32Array(people.length * width);
  people.forEach((who, row) => {
    for (let k = 0; k < width; k++)
      data[row * width + k] = (who >= 0 && k === who % width ? 3 : 0) + 0.1 * draw.normal();
  });
  return rowsOf(data, width);
}

/** Measures with rows by person; strangers look like nobody. */
const measure = (protocol: Protocol) =>
  measureRows(protocol, rows(Array.from(protocol.item, (item) => protocol.person[item])), {
    bootstrap: { resamples: 20 },
  });

const survface = [
  ...[
    "gallery/1_cam1_1",
    "gallery/2_cam1_1",
    "mated_probe/1_cam2_1",
    "mated_probe/2_cam2_1",
    "unmated_probe/7_cam2_1",
  ].map((name) => `Face_Identification_Test_Set/${name}.jpg`),
  ...["1_cam1_a", "1_cam1_b", "2_cam1_a", "3_cam1_a"].map(
    (name) => `Face_Verification_Test_Set/verification_images/${name}.jpg`,
  ),
];

describe("official trees in miniature", () => {
  it("SurvFace: pairs of the lists, and an open set", async () => {
    const root = await tree(survface);
    const lists = join(root, "Face_Verification_Test_Set");
    writeFileSync(
      join(lists, "positive_pairs_names.mat"),
      writeCells("positive_pairs_names", [["1_cam1_a.jpg"], ["1_cam1_b.jpg"]]),
    );
    writeFileSync(
      join(lists, "negative_pairs_names.mat"),
      writeCells("negative_pairs_names", [
        ["1_cam1_a.jpg", "2_cam1_a.jpg"],
        ["2_cam1_a.jpg", "3_cam1_a.jpg"],
      ]),
    );
    const protocol = await open("survface", root);
    const [comparisons, search] = [protocol.comparisons[0], protocol.searches[0]];
    const named = (items: Int32Array | undefined) => Array.from(items ?? [], (item) => protocol.items[item]);
    expect(named(comparisons?.first)).toEqual(
      ["1_cam1_a", "1_cam1_a", "2_cam1_a"].map((n) => `verification_images/${n}.jpg`),
    );
    expect(named(comparisons?.second)).toEqual(
      ["1_cam1_b", "2_cam1_a", "3_cam1_a"].map((n) => `verification_images/${n}.jpg`),
    );
    expect([...(comparisons?.same ?? [])]).toEqual([1, 0, 0]);
    expect(named(search?.probes)).toEqual([
      "mated_probe/1_cam2_1.jpg",
      "mated_probe/2_cam2_1.jpg",
      "unmated_probe/7_cam2_1.jpg",
    ]);
    const { measures, protocol: summary } = await measure(protocol);
    expect(summary).toMatchObject({ genuine: 1, impostor: 2, gallery: 2, probes: 3, people: 4 });
    expect(measures.find(({ key }) => key === "rank1/named:open set")).toMatchObject({ value: 1, count: 2 });

    rmSync(join(root, "Face_Identification_Test_Set"), { recursive: true });
    expect((await open("survface", root)).searches).toEqual([]);
    writeFileSync(join(lists, "negative_pairs_names.mat"), writeCells("x", [["1_cam1_a.jpg"], ["9_cam1_a.jpg"]]));
    expect(await problem(open("survface", root))).toContain("9_cam1_a.jpg, which is not among the images");
    expect(await problem(open("survface", base))).toContain("'protocol' survface 'help'");
  });

  it("SCface: one search a distance, infrared cameras left out", async () => {
    const names = ["001", "002"].flatMap((who) => [
      `mugshot_frontal_cropped_all/${who}_frontal.jpg`,
      ...[1, 2, 3].flatMap((distance) =>
        [1, 5, 6].map(
          (camera) => `surveillance_cameras_distance_${distance}/cam_${camera}/${who}_cam${camera}_${distance}.jpg`,
        ),
      ),
    ]);
    const protocol = await open("scface", await tree(names));
    expect(protocol.searches.map(({ name, probes, gallery }) => [name, probes.length, gallery.length])).toEqual([
      ["d1", 4, 2],
      ["d2", 4, 2],
      ["d3", 4, 2],
    ]);
    const { measures } = await measure(protocol);
    expect(measures.filter(({ kind }) => kind === "rank1").map(({ key, value }) => [key, value])).toEqual([
      ["rank1/named:d1", 1],
      ["rank1/named:d2", 1],
      ["rank1/named:d3", 1],
    ]);
    const other = await tree(names.map((name) => name.replace(/_frontal\.jpg$/, ".jpg")));
    expect(await problem(open("scface", other))).toContain("holds no files named 001_frontal.jpg");
  });

  it("identification: an open set with distractors", async () => {
    const protocol = await open(
      "identification",
      await tree([
        "gallery/a/1.png",
        "gallery/b/1.png",
        "probe/a/2.png",
        "probe/b/2.png",
        "probe/stranger/1.png",
        "distractors/x.png",
      ]),
    );
    expect(protocol.people).toBe(3);
    expect([...protocol.person]).toEqual([0, 1, 2, 0, 1, -1]);
    expect((await measure(protocol)).measures.map(({ key }) => key)).toContain("rank@5/sharp");
    expect(await problem(open("identification", await tree(["gallery/a/1.png"])))).toContain(
      "does not hold gallery, probe",
    );
    const loose = open("identification", await tree(["gallery/a/1.png", "probe/1.png"]));
    expect(await problem(loose)).toContain("the person on 1.png is unknown");
  });

  const lines = [
    "path,person,set,template,media,weight",
    "a.png,ann,probe,p1,v1,2",
    "b.png,ann,probe,p1,v1,1",
    "c.png,bob,probe,p2,,",
    "d.png,ann,gallery,g1,,",
    "e.png,bob,gallery,g2,,",
    "f.png,eve,gallery,g3,,",
  ];
  const files = ["a", "b", "c", "d", "e", "f"].map((name) => `${name}.png`);

  it("BRIAR: templates of a manifest, all probes against all of the gallery", async () => {
    const list = join(await tree(files), "templates.csv");
    writeFileSync(list, lines.join("\n"));
    const protocol = await open("briar", list);
    expect(protocol.items).toEqual(["probe p1", "probe p2", "gallery g1", "gallery g2", "gallery g3"]);
    expect([...protocol.item]).toEqual([0, 0, 1, 2, 3, 4]);
    expect([...(protocol.weight ?? [])]).toEqual([2, 1, 1, 1, 1, 1]);
    expect(protocol.media?.[0]).toBe(protocol.media?.[1]);
    expect(new Set(protocol.media).size).toBe(5);
    const { measures, protocol: summary } = await measure(protocol);
    expect(summary).toMatchObject({ genuine: 2, impostor: 4 });
    expect(measures.find(({ key }) => key === "rank1/named:1:N")?.value).toBe(1);
  });

  it("IJB-S: what is searched in itself does not find itself", async () => {
    const list = join(await tree(files), "templates.csv");
    const sets = { probe: "surveillance", gallery: "booking" } as const;
    const text = lines.join("\n").replaceAll(/,(probe|gallery),/g, (_, set: keyof typeof sets) => `,${sets[set]},`);
    writeFileSync(list, `${text}\ng.png,ann,surveillance,p3,,\n`);
    cpSync(join(dirname(list), "a.png"), join(dirname(list), "g.png"));
    const protocol = await open("ijbs", list);
    expect(protocol.searches.map(({ name }) => name)).toEqual([
      "surveillance to booking",
      "surveillance to surveillance",
    ]);
    const { measures } = await measure(protocol);
    const itself = measures.find(({ key }) => key === "rank1/named:surveillance to surveillance");
    // Of the three templates, Bob's has no mate but itself.
    expect(itself).toMatchObject({ value: 1, count: 2 });
  });

  test.each([
    ["briar", "a.png,ann,prob,p1,,", 'set is "prob"; expected probe, gallery'],
    ["briar", "a.png,ann,probe,,,", "expected the columns"],
    ["briar", "a.png,ann,probe,p1,,x", 'weight "x" is not a number'],
    ["briar", "a.png,ann,probe,p1,,\nb.png,bob,probe,p1,,", "template p1 shows two people"],
    ["ijbs", "a.png,ann,single,p1,,", "lists no templates to compare"],
  ])("%s refuses %j", async (kind, line, message) => {
    const list = join(await tree(files), "templates.csv");
    writeFileSync(list, `${lines[0]}\n${line}\n`);
    expect(await problem(open(kind, list))).toContain(message);
  });

  it("IJB-B: 1:N from the lists of galleries and probes", async () => {
    const root = await tree([1, 2, 3, 4].map((face) => `loose_crop/${face}.png`));
    mkdirSync(join(root, "meta"));
    const write = (name: string, text: string): void => writeFileSync(join(root, "meta", `ijbb_${name}`), text);
    const points = "1 1 1 1 1 1 1 1 1 1";
    write("face_tid_mid.txt", "1.jpg 10 1\n2.jpg 10 1\n3.jpg 20 2\n4.jpg 30 3\n");
    write("name_5pts_score.txt", [1, 2, 3, 4].map((face) => `${face}.jpg ${points} 0.9\n`).join(""));
    write("template_pair_label.txt", "10 20 1\n10 30 0\n");
    write("1N_gallery_S1.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n20,7,x.jpg\n");
    write("1N_probe_mixed.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,7,y.jpg\n30,8,z.jpg\n");
    const protocol = await open("ijbb", root);
    expect(protocol.searches.map(({ name, probes, gallery }) => [name, [...probes], [...gallery]])).toEqual([
      ["1:N S1", [0, 2], [1]],
    ]);
    expect([...protocol.person]).toEqual([0, 0, 1]);
    rmSync(join(root, "loose_crop", "4.png"));
    expect(await problem(open("ijbb", root))).toContain("lacks 4.jpg");
    write("1N_probe_mixed.csv", "TEMPLATE,SUBJECT_ID\n10,7\n");
    expect(await problem(open("ijbb", root))).toContain("line 2: expected columns TEMPLATE_ID and SUBJECT_ID");
  });
});

describe("the mirror image", () => {
  /** Gives the mean of the left and of the right half of the red plane, and 1. */
  const embedder = (batch: number): Embedder => ({
    size: 4,
    width: 3,
    batch,
    async embed(pixels, count) {
      const data = new Float32Array(3 * count);
      for (let face = 0; face < count; face++) {
        const red = pixels.subarray(face * 48, face * 48 + 16);
        red.forEach((value, at) => {
          const half = 3 * face + (at % 4 < 2 ? 0 : 1);
          data[half] += value / 8;
        });
        data[3 * face + 2] = 1;
      }
      return { count, width: 3, data };
    },
    close: async () => {},
  });

  it.each([1, 2, 3, 5])("is added, as it is or at unit length, in batches of %i", async (batch) => {
    const data = await openData("synthetic:people=7,images=1");
    await using loader = openLoader({ size: 4, threads: 0 });
    const request = (index: number) => ({ source: data.at(index).source, flip: false });
    const collect = async (fusion: "none" | "sum" | "units") => {
      const out: number[] = [];
      for await (const part of embedFused(7, request, fusion, { embedder: embedder(batch), loader })) {
        expect(part.start * 3).toBe(out.length);
        out.push(...part.data);
      }
      return out;
    };
    const [plain, sum, units] = [await collect("none"), await collect("sum"), await collect("units")];
    expect(sum).toHaveLength(21);
    for (let face = 0; face < 7; face++) {
      const [left = 0, right = 0] = plain.slice(3 * face, 3 * face + 2);
      const length = Math.hypot(left, right, 1);
      [left + right, left + right, 2].forEach((value, k) => {
        expect(sum[3 * face + k]).toBeCloseTo(value, 3);
        expect(units[3 * face + k]).toBeCloseTo(value / length, 5);
      });
    }
  });
});

describe("petalface evaluate --protocol", () => {
  it("measures an identification, sharp and degraded, and saves it", async () => {
    const people = ["a", "b", "c", "d"];
    const root = await tree(
      people.flatMap((who) => [`gallery/${who}/1.png`, `probe/${who}/2.png`]),
      true,
    );
    const out = join(root, "results");
    const flags = ["--model", model, "--normalize", "127.5,0.0078125", "--no-cache", "--threads", "1"];
    const options = ["--degrade", "lr:4", "--flip", "sum", "--out", out, "--report", join(out, "page.html"), "--json"];
    const { code, stdout, stderr } = await petalface([
      ...["evaluate", ...flags, "--protocol", "identification", "--data", root, "--resamples", "20", ...options],
    ]);
    expect(code, stderr).toBe(0);
    const { frozen } = JSON.parse(stdout);
    const keys = frozen.measures.map(({ key }: { key: string }) => key);
    expect(keys).toContain("rank1/sharp");
    expect(keys).toContain("rank1/mixed:4");
    expect(readFileSync(join(out, "page.html"), "utf8").includes("Rank-5 identification")).toBe(true);
    const inspected = await petalface(["inspect", join(out, "frozen.json"), "--json"]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ kind: "evaluation", protocol: { kind: "identification" } });
  });

  it("says what a protocol lacks, and in its help how the data must lie", async () => {
    const root = await tree(["a/1.png", "b/1.png"]);
    const flags = ["--model", model, "--normalize", "127.5,0.0078125", "--no-cache"];
    const wrong = await petalface(["evaluate", ...flags, "--protocol", "lfw", "--data", root]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("needs --data lfw.bin")]);
    const help = await petalface(["evaluate", "--protocol", "ijbc", "--help"]);
    expect(help.stdout).toContain("ijbc_template_pair_label.txt");
    const list = await petalface(["evaluate", "--help"]);
    for (const { name } of namedProtocols) expect(list.stdout).toContain(`  ${name} `);
  });
});

test("a joined set keeps its parts apart", async () => {
  const one = await openData("synthetic:people=2,images=1");
  const joined = joinData("both", [
    { name: "x", data: one },
    { name: "y", data: one },
  ]);
  expect(Array.from({ length: 4 }, (_, at) => joined.at(at).id)).toEqual(["x/0/0", "x/1/0", "y/0/0", "y/1/0"]);
  expect(() => joined.at(4)).toThrow(RangeError);
});
