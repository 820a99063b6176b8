import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { type Adapter, findSites, initialTheta, layoutOf, saveAdapter, selectSites } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

/**
 * Twenty people with two pictures each, of which one is no picture (2.5 %) and, in the worse set,
 * five are none (12.5 %).
 */
const base = temporaryFolder();
const [good, worse] = [join(base, "faces"), join(base, "worse")];
const model = join(base, "tiny.onnx");
const adapter = join(base, "adapter");

beforeAll(async () => {
  for (const [set, damaged] of [
    [good, 1],
    [worse, 5],
  ] as const)
    for (let person = 0; person < 20; person++)
      for (let picture = 0; picture < 2; picture++) {
        const folder = join(set, `p${String(person).padStart(2, "0")}`);
        mkdirSync(folder, { recursive: true });
        const noise = { type: "gaussian", mean: 60 + 6 * person, sigma: 40 } as const;
        const bytes = await sharp({ create: { width: 32, height: 32, channels: 3, background: "#888", noise } })
          .jpeg()
          .toBuffer();
        const bad = picture === 1 && person % 4 === 3 && person < 4 * damaged;
        writeFileSync(join(folder, `${picture}.jpg`), bad ? "no picture" : bytes);
      }
  await writeTinyBackbone(model);
  const backbone = await openBackbone(model);
  const config: Adapter["config"] = {
    ...({ method: "lora", gate: "low", rank: 2, scale: 1 } as const),
    sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 5, high: 9 },
  };
  await saveAdapter(adapter, backbone, { config, theta: await initialTheta(backbone, layoutOf(backbone, config), 1) });
});

/** Arguments of each command on a set; what it writes goes below `out`. */
const commands: Readonly<Record<string, (set: string, out: string) => readonly string[]>> = {
  degrade: (set, out) => ["degrade", set, join(out, "copies"), "--to", "lr:8", "--size", "16"],
  "degrade --sheet": (set, out) => ["degrade", set, "--to", "lr:8", "--size", "16", "--sheet", join(out, "sheet.png")],
  "data pack": (set, out) => ["data", "pack", set, "--out", join(out, "set.rec")],
  "export --data": (set, out) => {
    const files = ["--model", model, "--adapter", adapter, "--out", join(out, "face.onnx"), "--data", set];
    return ["export", ...files, "--precision", "fp16", "--least-cosine", "0"];
  },
  "quality --degraded": (set) => {
    const small = ["--size", "16", "--threads", "1"];
    return ["quality", set, "--metric", "sharpness", "--degraded", ...small];
  },
  inspect: (set) => ["inspect", set],
  "adapt --val": (set, out) => validated(set, out, "--val", "drawn:pairs=60", "--val-pixels", "6"),
  "adapt --val cosine": (set, out) => validated(set, out, "--val", "cosine", "--val-pixels", "6"),
  "evaluate --views": (set, out) => {
    const files = ["--model", model, "--data", set, "--report", join(out, "report.html")];
    const pairs = ["--protocol", "drawn:pairs=60", "--resamples", "20"];
    return ["evaluate", ...files, ...pairs, "--threads", "1", "--degrade", "lr:8", "--views", "12"];
  },
};

/** Training that is validated on the set. */
const validated = (set: string, out: string, ...val: readonly string[]): readonly string[] => {
  const [run, faces] = [join(out, "run"), "synthetic:people=4,images=2"];
  const small = ["--rank", "2", "--epochs", "1", "--batch", "8", "--lr-pixels", "4,6", "--threads", "1"];
  return ["adapt", "--model", model, "--train", faces, "--out", run, ...small, ...val, "--val-data", set];
};

/** What is said and counted of the damaged picture. */
const sentence = /1 of \d+ images cannot be read and is\s+left\s+out\./;

interface Counted {
  readonly leftOut: { readonly count: number };
}

/** Where a command's document counts what was left out of the set. */
function leftOutIn(name: string, document: Counted & { frozen: Counted; validationLeftOut: Counted["leftOut"] }) {
  if (name.startsWith("evaluate")) return document.frozen.leftOut;
  return name.startsWith("adapt") ? document.validationLeftOut : document.leftOut;
}

describe.each(Object.entries(commands))("%s", (name, args) => {
  const out = (set: string): string => {
    const folder = join(base, `${name.replaceAll(/\W+/g, "-")} ${set === good ? "good" : "worse"}`);
    mkdirSync(folder, { recursive: true });
    return folder;
  };

  it("leaves a damaged picture out, says so and counts it", async () => {
    const { code, stdout, stderr } = await petalface([...args(good, out(good)), "--json"]);
    expect(code, stderr).toBe(0);
    const document = JSON.parse(stdout);
    // The sheet shows some of the faces only, and these are in order.
    if (name === "degrade --sheet") return expect(document).toMatchObject({ leftOut: { count: 0 } });
    expect(leftOutIn(name, document)).toMatchObject({ count: 1, first: [expect.stringMatching(/p03\/1\.jpg/)] });
    if (name !== "inspect") expect(stderr).toMatch(sentence);
    else expect(JSON.stringify(document)).toContain("p03/1.jpg");
    if (name === "degrade") {
      expect(document.faces).toBe(39);
      expect(readdirSync(join(out(good), "copies", "p03"))).toEqual(["0.png"]);
    }
    if (name === "data pack") expect(document.images).toBe(39);
  });

  it("ends where more than 5 % cannot be read, and goes on where more may be", async () => {
    if (name === "degrade --sheet") return;
    const place = out(worse);
    const ended = await petalface(args(worse, place));
    expect(ended.code, ended.stdout).toBe(1);
    expect(ended.stderr.replaceAll(/\s+/g, " ")).toMatch(/images tried cannot be read, more than 5 %.*--max-left-out/);
    // Nothing half-written: no copy, no record file, no sheet. A run keeps what it can be resumed
    // from.
    if (!name.startsWith("adapt")) expect(readdirSync(place)).toEqual([]);
    const again = await petalface([...args(worse, `${place} again`), "--max-left-out", "20", "--json"]);
    expect(again.code, again.stderr).toBe(0);
    const document = JSON.parse(again.stdout);
    expect(leftOutIn(name, document).count).toBe(5);
  });
});

describe("more than 5 % damaged", () => {
  it("leaves nothing of the copies of photos", async () => {
    const out = join(base, "photo copies");
    const { code, stderr } = await petalface(["copies", worse, "--out", out, "--sizes", "8"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--max-left-out")]);
    expect(existsSync(out)).toBe(false);
    const again = await petalface(["copies", worse, "--out", out, "--sizes", "8", "--max-left-out", "20", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ copies: 35, leftOut: { count: 5 } });
    expect(readdirSync(out)).toHaveLength(20);
  });

  it("leaves nothing of the images of a record file, and not the folder that was made", async () => {
    const [record, out] = [join(base, "damaged.rec"), join(base, "above", "images")];
    expect(await petalface(["data", "pack", good, "--out", record])).toMatchObject({ code: 0 });
    const bytes = readFileSync(record);
    // The first bytes of the last five pictures, which are those of two people and one more: all
    // others are written before.
    for (let broken = 0, at = bytes.length; broken < 5; broken++) {
      at = bytes.lastIndexOf(Buffer.from([0xff, 0xd8, 0xff]), at - 1);
      bytes.fill(0, at, at + 3);
    }
    writeFileSync(record, bytes);
    const { code, stderr } = await petalface(["data", "unpack", record, "--out", out]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--max-left-out")]);
    expect(existsSync(join(base, "above"))).toBe(false);
    const again = await petalface(["data", "unpack", record, "--out", out, "--max-left-out", "20", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ images: 34, leftOut: { count: 5 } });
    expect(readdirSync(out)).toHaveLength(18);
  });
});

describe("data unpack", () => {
  it("takes the share as well, and checks it", async () => {
    const out = join(base, "unpacked");
    const { code, stderr } = await petalface(["data", "unpack", good, "--out", out, "--max-left-out", "x"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--max-left-out is a number of per cent")]);
  });
});
