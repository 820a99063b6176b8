import type { FaceData, Tally } from "../../data/index.ts";
import type { Loader } from "../../images/index.ts";

/** Faces that are read at once. */
const atOnce = 32;

/**
 * Reads some faces of a set, once, and gives those that can be read, in their order: for commands
 * that show or measure a few.
 *
 * @param faces numbers of faces
 * @param tally counts them, and ends the command where too many cannot be read; they are not
 * counted unless it is given
 */
export async function readableFaces(
  data: FaceData,
  faces: readonly number[],
  loader: Pick<Loader, "load">,
  tally?: Tally,
): Promise<number[]> {
  const readable: number[] = [];
  tally?.tried(faces.length);
  for (let start = 0; start < faces.length; start += atOnce) {
    const part = faces.slice(start, start + atOnce);
    const bad = new Set<number>();
    await loader.load(
      part.map((face) => ({ source: data.at(face).source, flip: false })),
      (index, { message }) => {
        bad.add(index);
        tally?.bad(message);
      },
    );
    readable.push(...part.filter((_, index) => !bad.has(index)));
  }
  return readable;
}
