import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import sharp from "sharp";
import { describe, expect, it, test } from "vitest";
import { auditFaces } from "../../src/audit/index.ts";
import { type Embedder, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { embedFaces, type LeftFace, openEmbeddingStore } from "../../src/embeddings/index.ts";
import { evaluate, findProtocol, protocolOfPairs } from "../../src/evaluation/index.ts";
import { buildPairList } from "../../src/evaluation/protocols/pairs.ts";
import { openLoader } from "../../src/images/index.ts";
import { openMeasure, qualityGraph } from "../../src/quality/index.ts";
import { plainModel } from "../../src/quality/plain-model.ts";
import { adapt } from "../../src/training/index.ts";
import { shared } from "../images/helpers.ts";
import { writeWhitened } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsOf, open, treesIn } from "./trees.ts";

const base = temporaryFolder();
const tree = treesIn(base);

async function drain(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}

/**
 * A model of three numbers, the mean of each channel; NaN, or Infinity where asked, of pictures of
 * one colour.
 */
function meanEmbedder(size: number, ofFlat = Number.NaN): Embedder {
  return {
    size,
    width: 3,
    batch: 4,
    async embed(pixels, count) {
      const area = size * size;
      const data = new Float32Array(3 * count);
      for (let face = 0; face < count; face++) {
        const planes = pixels.subarray(3 * area * face, 3 * area * (face + 1));
        const flat = planes.every((value) => value === planes[0]);
        for (let channel = 0; channel < 3; channel++) {
          const plane = planes.subarray(area * channel, area * (channel + 1));
          data[3 * face + channel] = flat ? ofFlat : plane.reduce((sum, value) => sum + value, 0) / area;
        }
      }
      return { count, width: 3, data };
    },
    close: async () => {},
  };
}

/** Colour pictures of people, `flat` ones of one colour and damaged ones among them. */
async function faces(names: readonly string[], flat: readonly string[], damaged: readonly string[]) {
  const png = (background: string) =>
    sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toBuffer();
  const textured = async (at: number) => {
    const data = Buffer.from(
      Uint8Array.from({ length: 768 }, (_, i) => (i * (31 + at) + 60 * (at % 3) * (i % 3)) & 255),
    );
    return sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toBuffer();
  };
  const files: Record<string, Buffer> = {};
  for (const [at, name] of names.entries()) files[name] = await textured(at);
  for (const name of flat) files[name] = await png(name.includes("white") ? "#fff" : "#000");
  for (const name of damaged) files[name] = (await textured(0)).subarray(0, 60);
  return tree(files);
}

describe("faces that cannot be read, or have no finite embedding", () => {
  const names = Array.from({ length: 24 }, (_, at) => `p${Math.floor(at / 4)}/${at}.png`);

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("%s: are named, counted and NaN in the rows", async (ofFlat) => {
    const data = await open(await faces(names, ["p0/black.png"], ["p1/cut.png"]));
    const at = (id: string) => idsOf(data).indexOf(id);
    await using loader = openLoader({ size: 16, threads: 0 });
    const store = join(base, `store ${String(ofFlat)}`);
    const keep = await openEmbeddingStore({ root: store, identity: String(ofFlat), numbers: 3, limit: 1e9 });
    // Without a store, into one, and out of it.
    for (const kept of [undefined, keep, keep]) {
      const left: [number, string, string][] = [];
      const rows = new Float32Array(3 * data.length);
      const embedder = meanEmbedder(16, ofFlat);
      const onLeft = (face: number, { kind, message }: LeftFace) => left.push([face, kind, message]);
      const request = (face: number) => ({ source: data.at(face).source, flip: false });
      const all: number[] = [];
      for await (const part of embedFaces(data.length, request, { embedder, loader, store: kept, onLeft })) {
        rows.set(part.data, 3 * part.start);
        all.push(...part.left.map((row) => part.start + row));
      }
      expect(left).toEqual([
        [at("p0/black.png"), "notFinite", expect.stringContaining("black.png: its embedding is not finite")],
        [at("p1/cut.png"), "unreadable", expect.stringContaining("cut.png")],
      ]);
      expect(all).toEqual(left.map(([face]) => face));
      rows.forEach((value, number) => {
        expect(Number.isNaN(value)).toBe(all.includes(Math.floor(number / 3)));
      });
      const strict = embedFaces(data.length, request, { embedder, loader, store: kept });
      await expect(drain(strict)).rejects.toThrow(/black\.png: its embedding is not finite|cut\.png/);
    }
    await keep.close();
  });

  it("take no part in pairs: all other numbers are those of a protocol without them", async () => {
    const data = await open(await faces(names, ["p0/black.png"], ["p1/cut.png"]));
    const pair = (first: string, second: string, fold: number) => ({
      first: { id: first, person: itemAt(first.split("/"), 0) },
      second: { id: second, person: itemAt(second.split("/"), 0) },
      same: first[1] === second[1],
      fold,
    });
    const good = names.flatMap((name, at) => [
      pair(name, itemAt(names, (at + 1) % 24), at % 2),
      pair(name, itemAt(names, (at + 5) % 24), at % 2),
    ]);
    const bad = [pair("p0/black.png", "p0/0.png", 0), pair("p2/8.png", "p1/cut.png", 1)];
    await using loader = openLoader({ size: 16, threads: 0 });
    for (const fusion of ["none", "units"] as const) {
      const measure = (pairs: typeof good, mostLeftOut?: number) =>
        evaluate({
          model: meanEmbedder(16),
          loader,
          degradations: ["lr:8"],
          bootstrap: { resamples: 20 },
          protocol: protocolOfPairs(buildPairList("made", pairs), { ...data, mostLeftOut }, fusion),
        });
      await expect(measure([...good, ...bad])).rejects.toThrow(/2 of the 26 images tried .* more than 5 %/);
      const result = await measure([...good, ...bad], 0.1);
      const expected = await measure(good);
      expect(result.leftOut).toMatchObject({
        count: 2,
        notFinite: 1,
        tried: 26,
        faces: ["p0/black.png", "p1/cut.png"],
      });
      expect(result.measures).toEqual(expected.measures);
      expect(result.protocol.fingerprint).not.toBe(expected.protocol.fingerprint);
      expect(expected.leftOut).toBeUndefined();
    }
  });

  it("leave their template, and a template without any other face leaves what is compared", async () => {
    const root = await faces(names, ["p0/black.png", "p5/white.png"], []);
    const row = (path: string, set: string, template: number, media: string) =>
      `${path},${path.split("/")[0]},${set},${template},${media}`;
    const rows = names.map((name, at) =>
      row(name, at % 2 === 0 ? "gallery" : "probe", Math.floor(at / 4), at % 4 < 2 ? "video" : ""),
    );
    const list = (more: readonly string[]) => {
      const path = join(root, `templates ${more.length}.csv`);
      writeFileSync(path, ["path,person,set,template,media", ...rows, ...more].join("\n"));
      return path;
    };
    await using loader = openLoader({ size: 16, threads: 0 });
    const measure = async (path: string) => {
      const protocol = await findProtocol("briar")?.open?.({ data: path, mostLeftOut: 1 });
      if (protocol === undefined) throw new Error("briar");
      return evaluate({ protocol, model: meanEmbedder(16), loader, bootstrap: { resamples: 20 } });
    };
    const without = await measure(list([]));
    const result = await measure(
      list([row("p0/black.png", "gallery", 0, "video"), row("p5/white.png", "probe", 99, "")]),
    );
    expect(result.leftOut).toMatchObject({ count: 2, notFinite: 2, faces: ["p0/black.png", "p5/white.png"] });
    expect(result.measures).toEqual(without.measures);
  });

  it("are in no mean of inspect --model, and are no wrong names", async () => {
    const data = await open(await faces(names, ["p0/black.png"], []));
    await using loader = openLoader({ size: 16, threads: 0 });
    await using pictures = openLoader({ size: 112, threads: 0 });
    const audit = await auditFaces({
      data,
      pictures,
      model: { embedder: meanEmbedder(16), loader, session: { threads: 1 } },
    });
    expect(audit.notFinite.map((face) => data.at(face).id)).toEqual(["p0/black.png"]);
    const { levels, faces: outliers } = audit.outliers ?? {};
    expect(Number.isFinite(levels?.outlier)).toBe(true);
    expect(outliers?.map(({ face }) => data.at(face).id)).not.toContain("p0/black.png");
  });
});

describe("training", () => {
  const names = Array.from({ length: 24 }, (_, at) => `p${Math.floor(at / 4)}/${at}.png`);

  it.each(["distil", "cosface"] as const)("%s goes on with others, and its weights stay finite", async (loss) => {
    const root = await faces(names, ["p0/black.png", "p2/white.png"], ["p1/cut.png"]);
    const model = join(root, "..", `whitened ${loss}.onnx`);
    await writeWhitened(model);
    const told: string[] = [];
    const train = (out: string, mostLeftOut?: number) =>
      adapt(
        {
          model,
          train: root,
          out: join(base, `${loss} ${out}`),
          options: {
            batch: 4,
            epochs: 2,
            lrPixels: [4, 6],
            sites: "all",
            rank: 2,
            quality: "sharpness",
            alphaRange: [0, 20],
            loss,
          },
        },
        { threads: 1, mostLeftOut, onLeftOut: (message) => told.push(message) },
      );
    await expect(train("few")).rejects.toThrow(/images tried .* more than 5 %/);
    told.length = 0;
    const { adapter, leftOut, run } = await train("all", 0.2);
    expect(leftOut).toMatchObject({ count: 3, notFinite: 2 });
    expect(told).toHaveLength(3);
    for (const name of ["black", "white", "cut"]) expect(told.join("\n")).toContain(`${name}.png`);
    expect(run.steps).toBeGreaterThan(10);
    expect(adapter.theta.every(Number.isFinite)).toBe(true);
    // Which faces stand in does not depend on timing.
    expect((await train("again", 0.2)).adapter.theta).toEqual(adapter.theta);
  });
});

describe("pictures of one colour", () => {
  const weights = (name: string) => shared("weights", name);
  const learned = [
    `brisque:model=${weights("brisque_model_live.yml").path},range=${weights("brisque_range_live.yml").path}`,
    `cnniqa:model=${weights("CNNIQA-LIVE.pth").path}`,
  ];
  const finite = async (backbone: Parameters<typeof qualityGraph>[0], spec: string): Promise<void> => {
    const { graph, score } = qualityGraph(backbone, await openMeasure(spec));
    const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1, batch: 3 });
    const face = 3 * backbone.size ** 2;
    const pixels = new Uint8Array(3 * face).fill(255, face, 2 * face).fill(128, 2 * face);
    const { data } = await embedder.embed(pixels, 3);
    await embedder.close();
    expect([data.length, data.every(Number.isFinite)]).toEqual([3, true]);
  };

  it.each(["sharpness", "resolution", "constant:0.5"])("have a finite score of %s", (spec) =>
    finite(plainModel(112), spec),
  );

  test.skipIf(!weights("mobilefacenet.onnx").exists).each(["norm", ...learned])(
    "have a finite score of a learned measure, %.7s (needs PETALFACE_SHARED)",
    async (spec) => finite(await openBackbone(weights("mobilefacenet.onnx").path), spec),
  );
});
