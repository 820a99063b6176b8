/** One task of petalface in a process of its own. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openEmbeddingFile } from "petalface/embeddings";
import { summariseOutcomes, thinComparisons } from "petalface/evaluation";
import {
  cmc,
  identify,
  normaliseRows,
  openMatcher,
  poolTemplates,
  rowsOf,
  scorePairs,
  tarAtFar,
} from "petalface/matching";
import { rowAt } from "../skeleton/linear.ts";
import { fars, ijbc, ranks, width } from "./sizes.ts";

/** Ends a part of the work. */
type Lap = (name: string) => void;

/** Rates that came out, and seconds of each part. */
export interface Outcome {
  readonly results: Readonly<Record<string, number>>;
  readonly parts: Readonly<Record<string, number>>;
}

/** Does one task on the features in a folder. */
export async function doTask({ task, folder }: { readonly task: string; readonly folder: string }): Promise<Outcome> {
  const parts: Record<string, number> = {};
  let last = performance.now();
  const lap: Lap = (name) => {
    parts[name] = (performance.now() - last) / 1000;
    last = performance.now();
  };
  const results = await (task === "ijbc" ? verification : identification)(folder, lap);
  return { results, parts };
}

const integers = async (folder: string, name: string): Promise<Int32Array> => {
  const bytes = await readFile(join(folder, name));
  return new Int32Array(new Uint8Array(bytes.subarray(10 + bytes.readUInt16LE(8))).buffer);
};

async function verification(folder: string, lap: Lap): Promise<Record<string, number>> {
  const [template, media] = [await integers(folder, "template.npy"), await integers(folder, "media.npy")];
  const images = await openEmbeddingFile(join(folder, "images.npy"));
  const pooled = await poolTemplates(images, { templates: ijbc.templates, template, media });
  await images.close();
  lap("pool");
  const [first, second] = [await integers(folder, "first.npy"), await integers(folder, "second.npy")];
  const same = Uint8Array.from(await integers(folder, "label.npy"));
  lap("lists");
  const matcher = await openMatcher(width);
  const scores = await scorePairs(matcher, pooled, pooled, first, second);
  await matcher.close();
  lap("scores");
  const points = tarAtFar(scores, same, fars);
  lap("rates");
  const person = (rows: Int32Array): Int32Array => rows.map((row) => row % ijbc.people);
  const outcome = thinComparisons({
    kind: "verification",
    condition: { kind: "named", name: "1:1" },
    scores,
    same,
    first: person(first),
    second: person(second),
    firstItem: first,
    secondItem: second,
  });
  summariseOutcomes(
    {
      protocol: {
        kind: "ijbc",
        name: "IJB-C's size",
        fingerprint: "",
        folds: 0,
        people: ijbc.people,
        images: ijbc.images,
        genuine: 0,
        impostor: 0,
        gallery: 0,
        probes: 0,
      },
      data: { spec: folder, fingerprint: "" },
      degradations: [],
      detail: { items: [], outcomes: [outcome], alphas: [], digests: [] },
    },
    { fars, bootstrap: { resamples: 200 } },
  );
  lap("intervals");
  return Object.fromEntries(points.map(({ far, tar }) => [`TAR@${far}`, tar]));
}

async function identification(folder: string, lap: Lap): Promise<Record<string, number>> {
  const load = async (name: string): Promise<Float32Array> => {
    const file = await openEmbeddingFile(join(folder, name));
    const data = await file.read(0, file.count);
    await file.close();
    // In place: a second array of this size would count as memory that the search needs.
    for (let row = 0; row < file.count; row++) data.set(normaliseRows(rowAt(data, width, row), width), row * width);
    return data;
  };
  const [probes, gallery] = [await load("probes.npy"), await load("gallery.npy")];
  lap("load");
  const matcher = await openMatcher(width);
  const { rank } = await identify(matcher, {
    probes,
    probeLabels: await integers(folder, "probe-labels.npy"),
    galleryLabels: await integers(folder, "gallery-labels.npy"),
    gallery: rowsOf(gallery, width),
  });
  await matcher.close();
  lap("search");
  return Object.fromEntries(ranks.map((k) => [`rank-${k}`, cmc(rank, k)]));
}
