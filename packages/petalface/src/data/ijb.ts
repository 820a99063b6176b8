import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { cannotRead, PetalfaceError, readCode } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { isLitter } from "../litter.ts";
import { readIntegers } from "./integers.ts";
import { createNames, type Names } from "./listing/names.ts";
import { textLines } from "./text.ts";

/** The faces of IJB-B or IJB-C, as insightface's `meta` folder lists them. */
export interface IjbMeta {
  /** File name of each face. */
  readonly names: Names;
  /** Template and medium (photo or video) that each face belongs to. */
  readonly template: Int32Array;
  readonly media: Int32Array;
  /** The detector's score of each face. */
  readonly score: Float32Array;
  /** Pairs of templates, and whether they show one person. */
  readonly pairs: { readonly first: Int32Array; readonly second: Int32Array; readonly same: Uint8Array };
}

/**
 * Reads IJB's lists: `*_face_tid_mid.txt` (name, template, medium), `*_name_5pts_score.txt` (name,
 * ten numbers, score; the same faces in the same order) and `*_template_pair_label.txt` (template,
 * template, 1 or 0). 15.7 million pairs take 140 MB.
 *
 * @param folder with the three files, such as `IJBC/meta`
 * @throws PetalfaceError naming the line that is wrong
 */
export async function readIjbMeta(folder: string): Promise<IjbMeta> {
  const path = await finder(folder);
  const [faces, points, list] = [
    path("_face_tid_mid.txt"),
    path("_name_5pts_score.txt"),
    path("_template_pair_label.txt"),
  ];
  const { names, template, media } = await readFaces(faces);
  const score = await readScores(points, names);
  const [first, second, same] = await readIntegers(list, [Int32Array, Int32Array, Uint8Array]);
  const known = new Set(template);
  const stray = first.findIndex((number, at) => !(known.has(number) && known.has(itemAt(second, at))));
  if (stray >= 0)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${printPath(list)}, pair ${stray + 1}: template ${first[stray]} or ${second[stray]} has no face in ${printPath(faces)}`,
    );
  if (same.some((flag) => flag > 1))
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(list)}: a label is neither 1 nor 0`);
  return { names, template, media, score, pairs: { first, second, same } };
}

async function finder(folder: string): Promise<(ending: string) => string> {
  const files = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `cannot list ${printPath(folder)}: ${cause.code}`,
      { cause },
    );
  });
  return (ending) => {
    const found = files.filter((file) => file.endsWith(ending) && !isLitter(file));
    if (found.length !== 1)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${printPath(folder)} holds ${found.length} files *${ending}; expected one, as in IJB's meta`,
      );
    return join(folder, itemAt(found, 0));
  };
}

async function readFaces(path: string) {
  const names = createNames();
  const [template, media]: [number[], number[]] = [[], []];
  for await (const { fields, wrong } of linesOf(path, 3)) {
    const [name = "", tid, mid] = fields;
    if (!/^\d{1,9}$/.test(tid ?? "") || !/^\d{1,9}$/.test(mid ?? "")) throw wrong("expected name, template and medium");
    names.push(name);
    template.push(Number(tid));
    media.push(Number(mid));
  }
  if (template.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${printPath(path)} lists no faces`);
  return { names: names.finish(), template: Int32Array.from(template), media: Int32Array.from(media) };
}

async function readScores(path: string, names: Names): Promise<Float32Array> {
  const scores = new Float32Array(names.length);
  let at = 0;
  for await (const { fields, wrong } of linesOf(path, 12)) {
    if (at >= names.length || fields[0] !== names.at(at))
      throw wrong("it is not the face that the list of templates has there");
    const score = Number(fields[11]);
    if (!Number.isFinite(score)) throw wrong(`the score is ${JSON.stringify(fields[11])}`);
    scores[at++] = score;
  }
  if (at < names.length)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(path)} lists ${at} of ${names.length} faces`);
  return scores;
}

async function* linesOf(path: string, width: number) {
  let line = 0;
  const wrong = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(path)}, line ${line}: ${what}`);
  try {
    for await (const text of textLines(
      path,
      (number, what) => new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(path)}, line ${number}: ${what}`),
    )) {
      line++;
      const fields = text.trim().split(/\s+/);
      if (fields.length === 1 && fields[0] === "") continue;
      if (fields.length !== width) throw wrong(`${fields.length} fields; expected ${width}`);
      yield { fields, wrong };
    }
  } catch (cause) {
    throw cannotRead(printPath(path), cause);
  }
}
