import { embed, type Model } from "petalface";
import type { FaceSpace, Pixels } from "petalface/images";
import { type Identification, identify, normaliseRows, openMatcher, rowsOf } from "petalface/matching";
import { lowFace, sharpFace, thumbnail } from "./faces.ts";
import { colours, figure, label, picture } from "./svg.ts";

const people = 300;
/** Other people than those that the demo trains on. */
const seed = 2026;
const probePixels = 16;
/** The first people are shown, as they come: none is chosen. */
const shown = 5;
const nearest = 5;
const side = 52;
const step = 60;

type Faces = readonly Pixels[];

async function search(gallery: Float32Array, probes: Float32Array, width: number): Promise<Identification> {
  const labels = Int32Array.from({ length: people }, (_, person) => person);
  const matcher = await openMatcher(width);
  try {
    return await identify(matcher, {
      probes: normaliseRows(probes, width),
      probeLabels: labels,
      gallery: rowsOf(normaliseRows(gallery, width), width),
      galleryLabels: labels,
      top: nearest,
    });
  } finally {
    await matcher.close();
  }
}

const embeddingsOf = async (model: Model, images: Faces): Promise<Float32Array> =>
  (await embed({ model, images, cache: false })).embeddings;

/** The nearest people of one probe; the right one has a frame and a tick. */
async function nearestRow(
  { top }: Identification,
  gallery: Faces,
  probe: number,
  left: number,
  y: number,
): Promise<string[]> {
  const parts: string[] = [];
  for (let place = 0; place < nearest; place++) {
    const person = top?.rows[probe * nearest + place] ?? -1;
    const face = gallery[person];
    if (face === undefined) continue;
    const x = left + place * step;
    parts.push(picture(x, y, side, await thumbnail(face, side)));
    if (person !== probe) continue;
    parts.push(
      `<rect x="${x - 1.5}" y="${y - 1.5}" width="${side + 3}" height="${side + 3}" fill="none" stroke="${colours.right}" stroke-width="4"/>`,
      `<circle cx="${x + side - 10}" cy="${y + 10}" r="10" fill="${colours.paper}"/>`,
      label(x + side - 10, y + 16, "✓", { size: 16, colour: colours.right, anchor: "middle", bold: true }),
    );
  }
  return parts;
}

const rank1 = ({ rank }: Identification): string =>
  `${((100 * rank.filter((place) => place === 1).length) / rank.length).toFixed(0)} %`;

/**
 * Probes of 16 px, each with the five nearest of 300 enrolled people, for the frozen and for the
 * adapted model. The gallery is that of the frozen model in both.
 */
export async function beforeAfterFigure(space: FaceSpace, frozen: Model, adapted: Model): Promise<string> {
  const sharp = Array.from({ length: people }, (_, person) => sharpFace(space, seed, person, 0));
  const probes = Array.from({ length: people }, (_, person) => lowFace(sharpFace(space, seed, person, 1), probePixels));
  const gallery = await embeddingsOf(frozen, sharp);
  const sides = [
    { name: "before", found: await search(gallery, await embeddingsOf(frozen, probes), frozen.width) },
    { name: "after", found: await search(gallery, await embeddingsOf(adapted, probes), frozen.width) },
  ];
  const lefts = [130, 130 + nearest * step + 40];
  const parts = [label(20, 62, `${probePixels} px face`, { bold: true })];
  for (const [at, { name, found }] of sides.entries())
    parts.push(label(lefts[at] ?? 0, 62, `${name}: the right person is first for ${rank1(found)}`, { bold: true }));
  parts.unshift(
    label(20, 32, `Who is this? The ${nearest} nearest of ${people} enrolled people`, { size: 18, bold: true }),
  );
  for (const [probe, face] of probes.slice(0, shown).entries()) {
    const y = 78 + probe * step;
    parts.push(picture(28, y, side, await thumbnail(face, side)));
    for (const [at, { found }] of sides.entries())
      parts.push(...(await nearestRow(found, sharp, probe, lefts[at] ?? 0, y)));
  }
  const bottom = 78 + shown * step + 14;
  parts.push(
    label(
      20,
      bottom,
      "Synthetic people, the first five of the set; the gallery is enrolled with the model as it was.",
      {
        size: 13,
        colour: colours.quiet,
      },
    ),
  );
  return figure(130 + 2 * nearest * step + 60, bottom + 18, "The nearest people before and after adapting", parts);
}
