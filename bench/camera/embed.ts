import { type EmbeddingModel, openEmbedder } from "petalface/backbones";
import { embedFaces } from "petalface/embeddings";
import { type Degradation, openLoader } from "petalface/images";
import { type EnrolledFaces, enrolFaces } from "petalface/matching";
import type { Probes } from "./measure.ts";
import { kinds, plainSides } from "./plan.ts";
import { photoFile, probeFile, type Shown } from "./probes.ts";

/** The gallery, and the probes of every camera by name: `sharp`, `16` and such, `still`. */
export interface Embedded {
  readonly gallery: EnrolledFaces;
  readonly probes: ReadonlyMap<string, Probes>;
}

/** Sides of the copies that are enrolled. */
const copySides: readonly number[] = [16, 12];

/** Embeds gallery, copies and all probes with one model. */
export async function embedShown(
  model: EmbeddingModel,
  shown: Shown,
  folder: string,
  threads: number,
): Promise<Embedded> {
  await using loader = openLoader({ size: model.size, threads: 1 });
  const embedder = await openEmbedder(model, { threads });
  const embed = async (files: readonly string[], degrade?: Degradation) => {
    const rows = new Float32Array(files.length * model.width);
    const alpha = model.alpha === undefined ? undefined : new Float32Array(files.length);
    const request = (at: number) => ({
      source: { kind: "file", path: files[at] as string } as const,
      flip: false,
      degrade,
    });
    for await (const part of embedFaces(files.length, request, { embedder, loader })) {
      rows.set(part.data, part.start * model.width);
      if (part.alpha) alpha?.set(part.alpha, part.start);
    }
    return { rows, alpha };
  };
  const photos = shown.gallery.map(photoFile);
  const copies: Float32Array[] = [];
  for (const pixels of copySides) copies.push((await embed(photos, { kind: "lr", pixels })).rows);
  const gallery = enrolFaces((await embed(photos)).rows, copies, model.width);
  const person = Int32Array.from(shown.probes, (probe) => probe.person);
  const sharp = shown.probes.map(({ id }) => photoFile(id));
  const probes = new Map<string, Probes>();
  probes.set("sharp", { person, ...(await embed(sharp)) });
  for (const pixels of plainSides)
    probes.set(String(pixels), { person, ...(await embed(sharp, { kind: "lr", pixels })) });
  for (const kind of kinds) {
    const files = shown.probes.map(({ id }) => probeFile(folder, kind, id));
    probes.set(kind, { person, ...(await embed(files)) });
  }
  await embedder.close();
  return { gallery, probes };
}
