import sharp from "sharp";
import type { FaceData } from "../../../data/index.ts";
import { type Degradation, type DegradationSpec, drawDegradation, type Loader } from "../../../images/index.ts";

/** Faces and draws that a contact sheet shows. */
const rows = 8;
const draws = 7;
const gap = 4;

/** What a contact sheet shows, row by row: a face, and what was drawn for each of its columns behind the sharp one. */
export interface SheetRow {
  readonly id: string;
  readonly draws: readonly Degradation[];
}

/**
 * Draws a contact sheet: faces spread over the set, one a row, first as they are, then under one draw of the spec after the other. The first
 * draw is the one that copies and evaluations get.
 *
 * @returns a PNG file
 */
export async function drawSheet(
  data: FaceData,
  loader: Loader,
  spec: DegradationSpec,
): Promise<{ readonly png: Buffer; readonly shown: readonly SheetRow[] }> {
  const count = Math.min(rows, data.length);
  const faces = Array.from({ length: count }, (_, row) => data.at(Math.floor((row * data.length) / count)));
  const shown = faces.map(({ id }) => ({
    id,
    draws: Array.from({ length: spec.kind === "lr" ? 1 : draws }, (_, at) =>
      at === 0 ? drawDegradation(spec, id) : drawDegradation(spec, id, at),
    ),
  }));
  const requests = faces.flatMap(({ source }, row) =>
    [undefined, ...(shown[row]?.draws ?? [])].map((degrade) => ({ source, flip: false, degrade })),
  );
  const columns = requests.length / count;
  const planes = await loader.load(requests);
  const pitch = loader.size + gap;
  const [width, height] = [columns * pitch + gap, count * pitch + gap];
  const pixels = Buffer.alloc(3 * width * height, 255);
  const area = loader.size ** 2;
  for (let cell = 0; cell < requests.length; cell++)
    for (let at = 0; at < area; at++) {
      const x = gap + (cell % columns) * pitch + (at % loader.size);
      const y = gap + Math.floor(cell / columns) * pitch + Math.floor(at / loader.size);
      for (let channel = 0; channel < 3; channel++)
        pixels[(y * width + x) * 3 + channel] = planes[(cell * 3 + channel) * area + at] as number;
    }
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { png, shown };
}
