import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { cachedPath, knownModels } from "../../src/models/index.ts";
import { petalfaceProcess as petalface } from "./process.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const weights = join(shared, "weights/fr_feature.onnx");

interface Document {
  readonly results: readonly {
    readonly name: string;
    readonly result: { readonly measures: readonly { readonly key: string }[] };
  }[];
  readonly leftOut: readonly string[];
  readonly exported: { readonly difference: number };
}

test.skipIf(!existsSync(weights))(
  "the demo runs to its end, small (needs PETALFACE_SHARED)",
  { timeout: 1_200_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "petalface-demo-ä-"));
    try {
      const model = knownModels.find(({ name }) => name === "fr_feature");
      if (model === undefined) throw new Error("fr_feature is not known");
      const place = cachedPath(model, join(folder, "cache"));
      await mkdir(dirname(place), { recursive: true });
      await copyFile(weights, place);
      const env = { PETALFACE_CACHE: join(folder, "cache") };
      const out = join(folder, "out");
      const args = ["demo", "--images", "32", "--people", "10", "--out", out];
      const { code, stdout, stderr } = await petalface([...args, "--all", "--json"], { env });
      expect(code, stderr).toBe(0);
      const document = JSON.parse(stdout) as Document;
      expect(document.results.map(({ name }) => name)).toEqual(["frozen", "petal", "lora", "paper", "full"]);
      for (const { result } of document.results)
        expect(result.measures.map(({ key }) => key)).toEqual(
          expect.arrayContaining(["rank1/named:16, copies", "rank1/named:16, gallery kept"]),
        );
      expect(document.leftOut).toEqual([]);
      expect(document.exported.difference).toBeLessThan(1e-5);
      expect(await readFile(join(out, "report.html"), "utf8")).toContain("twin adapters");

      // Without time for anything else: the main job, whole, with the very numbers.
      const main = await petalface([...args, "--minutes", "0", "--json"], { env });
      expect(main.code, main.stderr).toBe(0);
      const short = JSON.parse(main.stdout) as Document;
      expect(short.results).toEqual(document.results.slice(0, 2));
      expect(short.leftOut).toEqual(["lora", "paper", "full"]);
      const files = (await readdir(out)).sort();
      expect(files).toEqual([".petalface.sha256", "face.onnx", "petal", "report.html"]);
      expect(await readFile(join(out, "report.html"), "utf8")).toContain("petal");
      const inspected = await petalface(["inspect", join(out, "face.onnx"), "--json"], { env });
      expect(inspected.code, inspected.stderr).toBe(0);

      const foreign = await petalface(["demo", "--out", folder], { env });
      expect(foreign).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/holds ".+", which is not part of a demo/),
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

/** Thirty people with two pictures each, of which `damaged` are none. */
async function writePeople(folder: string, damaged: number): Promise<void> {
  for (let person = 0; person < 30; person++)
    for (let picture = 0; picture < 2; picture++) {
      const place = join(folder, `p${String(person).padStart(2, "0")}`);
      await mkdir(place, { recursive: true });
      const noise = { type: "gaussian", mean: 40 + 5 * person, sigma: 40 } as const;
      const create = { width: 112, height: 112, channels: 3, background: "#888", noise } as const;
      const bad = picture === 1 && person < damaged;
      await writeFile(join(place, `${picture}.jpg`), bad ? "no picture" : await sharp({ create }).jpeg().toBuffer());
    }
}

test.skipIf(!existsSync(weights))(
  "the demo leaves damaged pictures out and counts them, and ends above 5 % (needs PETALFACE_SHARED)",
  { timeout: 1_200_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "petalface-demo-"));
    try {
      const model = knownModels.find(({ name }) => name === "fr_feature") ?? expect.fail();
      const place = cachedPath(model, join(folder, "cache"));
      await mkdir(dirname(place), { recursive: true });
      await copyFile(weights, place);
      const [good, worse] = [join(folder, "faces"), join(folder, "worse")];
      await writePeople(good, 1);
      await writePeople(worse, 8);
      const demo = (data: string, ...more: string[]) =>
        petalface(
          ["demo", "--data", data, "--images", "32", "--minutes", "0", "--out", join(folder, "out"), "--json", ...more],
          { env: { PETALFACE_CACHE: join(folder, "cache") } },
        );
      const { code, stdout, stderr } = await demo(good);
      expect(code, stderr).toBe(0);
      const { leftOutFaces } = JSON.parse(stdout);
      // The picture belongs to the people that are measured, or to those that are trained on; it
      // may not be drawn for a step.
      const counted = (leftOutFaces.trained?.count ?? 0) + (leftOutFaces.measured?.count ?? 0);
      expect([leftOutFaces.listed.count, counted]).toEqual([expect.any(Number), 1]);
      expect(stderr.replaceAll(/\s+/g, " ")).toContain("cannot be read and is left out");
      expect(stderr).toContain("p00/1.jpg");

      const ended = await demo(worse);
      expect([ended.code, JSON.parse(ended.stdout)]).toMatchObject([1, { error: { code: "PETAL_DATA_DAMAGED" } }]);
      expect(ended.stderr.replaceAll(/\s+/g, " ")).toMatch(/cannot be read, more than 5 %.*--max-left-out/);
      const again = await demo(worse, "--max-left-out", "40");
      expect(again.code, again.stderr).toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
