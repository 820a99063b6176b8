import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Backbone } from "petalface/backbones";
import { type FaceData, openData } from "petalface/data";
import { normaliseRows } from "petalface/matching";
import { createTargetCache, type TargetCache } from "petalface/training";
import { openFaceRows, requestsOf } from "../skeleton/faces.ts";
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
  await using faces = await openFaceRows(backbone, threads);
  const sharp: Float32Array[] = [];
  for (const flip of [false, true]) {
    const { rows } = await faces.embed(requestsOf(photos).map((request) => ({ ...request, flip })));
    sharp.push(normaliseRows(rows, width, "photo"));
  }
  photoOf.forEach((photo, face) => {
    sharp.forEach((rows, flip) => {
      targetCache.rows.set(rows.subarray(photo * width, (photo + 1) * width), (2 * face + flip) * width);
    });
  });
  targetCache.known.fill(1);
  return { data, targetCache };
}
