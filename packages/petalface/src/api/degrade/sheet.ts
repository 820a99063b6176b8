import type { FaceData, Tally } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Degradation, type DegradationSpec, drawDegradation, type Loader } from "../../images/index.ts";
import { readableFaces } from "../export/readable.ts";
import { canvas } from "./canvas.ts";

/** Faces and draws that a contact sheet shows. */
const rows = 8;
const draws = 7;
const gap = 4;

/**
 * What a contact sheet shows, row by row: a face, and what was drawn for each of its columns behind
 * the sharp one.
 */
export interface SheetRow {
  readonly id: string;
  readonly draws: readonly Degradation[];
}

/**
 * Draws a contact sheet: faces spread over the set, one a row, first as they are, then under one
 * draw of the spec after the other. The first draw is the one that copies and evaluations get.
 *
 * @param tally counts faces that cannot be read, which are not shown
 * @returns a PNG file
 * @throws PetalfaceError where none of them can be read
 */
export async function drawSheet(
  data: FaceData,
  loader: Loader,
  spec: DegradationSpec,
  tally?: Tally,
): Promise<{ readonly png: Buffer; readonly shown: readonly SheetRow[] }> {
  const most = Math.min(rows, data.length);
  const chosen = Array.from({ length: most }, (_, row) => Math.floor((row * data.length) / most));
  const faces = (await readableFaces(data, chosen, loader, tally)).map((face) => data.at(face));
  const count = faces.length;
  if (count === 0) throw new PetalfaceError("PETAL_DATA_DAMAGED", `${data.spec}: no face for the sheet can be read`);
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
  const picture = canvas(width, height, loader.size);
  const bytes = 3 * loader.size ** 2;
  for (let cell = 0; cell < requests.length; cell++)
    picture.put(
      planes.subarray(cell * bytes, (cell + 1) * bytes),
      gap + (cell % columns) * pitch,
      gap + Math.floor(cell / columns) * pitch,
    );
  return { png: await picture.png(), shown };
}
