import { embed, type Model } from "petalface";
import type { FaceSpace } from "petalface/images";
import { cropSide, lowFace, sharpFace, thumbnail } from "./faces.ts";
import { box, colours, figure, label, picture } from "./svg.ts";

const sides = [cropSide, 40, 32, 24, 20, 16, 12, 8];
const people = 100;
const seed = 77;
const cell = 88;

/** Mean alpha of drawn faces at several resolutions, as a run's own rule gives it. */
export async function alphaFigure(space: FaceSpace, model: Model): Promise<string> {
  const parts: string[] = [
    label(28, 36, "Alpha of the same face, from sharp to 8 pixels", { size: 17, bold: true }),
    label(28, 230, `mean over ${people} synthetic people; 1: the adapter is closed, 0: fully open`, {
      size: 13,
      colour: colours.quiet,
    }),
  ];
  for (const [column, side] of sides.entries()) {
    const faces = Array.from({ length: people }, (_, person) => lowFace(sharpFace(space, seed, person, 0), side));
    const { alpha = new Float32Array(), count } = await embed({ model, images: faces, cache: false });
    const mean = alpha.reduce((sum, value) => sum + value, 0) / count;
    const left = 28 + column * cell;
    const [face] = faces;
    if (face !== undefined) parts.push(picture(left, 56, 76, await thumbnail(face, 76)));
    parts.push(
      label(left + 38, 150, side === cropSide ? "sharp" : `${side} px`, { anchor: "middle", size: 13 }),
      box(left + 4, 164, 68, 14, colours.quiet),
      `<rect x="${left + 4}" y="164" width="${(68 * mean).toFixed(1)}" height="14" rx="6" fill="${colours.adapter}"/>`,
      label(left + 38, 200, mean.toFixed(2), { anchor: "middle", bold: true }),
    );
  }
  return figure(28 + sides.length * cell + 16, 248, "Alpha falls as the resolution of a face falls", parts);
}
