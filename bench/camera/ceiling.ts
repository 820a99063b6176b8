import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Backbone, openEmbedder } from "petalface/backbones";
import { type FaceData, openData } from "petalface/data";
import { embedFaces } from "petalface/embeddings";
import { openLoader } from "petalface/images";
import { normaliseRows } from "petalface/matching";
import { createTargetCache, type TargetCache } from "petalface/training";
import type { Python } from "../skeleton/python.ts";
import { kinds } from "./plan.ts";
import { makeProbes, photoFile, probeFile, type Shown } from "./probes.ts";

/** Seeds of the chain for the crops that are trained on: not those of the probes. */
const seeds: readonly number[] = [11];

/**
 * Training on what is tested: crops of the test's own chain and people, and what each should give.
 */
export interface CeilingData {
  readonly data: FaceData;
  readonly targetCache: TargetCache;
}

/** Crops of every camera of all photos that are shown, enrolled ones too, by several seeds. */
export async function ceilingData(
  work: string,
  backbone: Backbone,
  shown: Shown,
  python: Python,
  threads: number,
): Promise<CeilingData> {
  const enrolled = shown.gallery.map((id, person) => ({ id, person }));
  const all: Shown = { ...shown, probes: [...enrolled, ...shown.probes] };
  const photos = all.probes.map(({ id }) => photoFile(id));
  const lines = ["path,person"];
  const photoOf: number[] = [];
  for (const seed of seeds) {
    const folder = await makeProbes(work, all, seed, python);
    for (const kind of kinds)
      all.probes.forEach(({ id, person }, photo) => {
        lines.push(`${probeFile(folder, kind, id)},${shown.people[person]}`);
        photoOf.push(photo);
      });
  }
  await mkdir(join(work, "ceiling"), { recursive: true });
  const manifest = join(work, "ceiling", "crops.csv");
  await writeFile(manifest, `${lines.join("\n")}\n`);
  const data = await openData(manifest);
  const { width } = backbone;
  const targetCache = createTargetCache(data.length, width);
  const sharp: Float32Array[] = [];
  for (const flip of [false, true]) sharp.push(await embedSharp(backbone, photos, flip, threads));
  photoOf.forEach((photo, face) => {
    sharp.forEach((rows, flip) => {
      targetCache.rows.set(rows.subarray(photo * width, (photo + 1) * width), (2 * face + flip) * width);
    });
  });
  targetCache.known.fill(1);
  return { data, targetCache };
}

async function embedSharp(
  backbone: Backbone,
  photos: readonly string[],
  flip: boolean,
  threads: number,
): Promise<Float32Array> {
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const embedder = await openEmbedder(backbone, { threads });
  const rows = new Float32Array(photos.length * backbone.width);
  const request = (at: number) => ({ source: { kind: "file", path: photos[at] } as const, flip });
  for await (const part of embedFaces(photos.length, request, { embedder, loader }))
    rows.set(part.data, part.start * backbone.width);
  await embedder.close();
  return normaliseRows(rows, backbone.width, "photo");
}
