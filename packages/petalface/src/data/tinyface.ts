import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { type MatValue, readMat } from "./mat.ts";

/** A file and whose face it shows. */
export interface ListedFace {
  readonly name: string;
  readonly person: number;
}

/** The texts of a cell array, or of a character array's rows; undefined where one is none. */
function textsOf(value: MatValue | undefined): readonly (string | undefined)[] {
  if (value?.kind === "text") return value.rows;
  if (value?.kind !== "cells") return [];
  return value.cells.map((cell) => (cell.kind === "text" && cell.rows.length === 1 ? cell.rows[0] : undefined));
}

/**
 * Reads one of QMUL-SurvFace's lists of pairs (`positive_pairs_names.mat`): a cell array of two
 * columns of file names.
 *
 * @throws PetalfaceError where the file is something else
 */
export async function readMatPairs(path: string): Promise<(readonly [string, string])[]> {
  const [set] = [...(await readMat(path)).values()].filter(({ kind }) => kind === "cells");
  const cells = textsOf(set);
  const names = cells.flatMap((name) => (name === undefined || name === "" ? [] : [name]));
  const count = cells.length / 2;
  if (count === 0 || !Number.isInteger(count) || names.length !== cells.length)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${printPath(path)} holds no cell array of two columns of file names`,
    );
  return Array.from({ length: count }, (_, row) => [itemAt(names, row), itemAt(names, count + row)] as const);
}

/**
 * Reads one of TinyFace's lists (`probe_img_ID_pairs.mat`, `gallery_match_img_ID_pairs.mat`): a
 * cell array `*_set` of file names and a matrix `*_ids`.
 *
 * @throws PetalfaceError where the file is something else
 */
export async function readTinyFaceList(path: string): Promise<ListedFace[]> {
  const variables = [...(await readMat(path))];
  const ending = (suffix: string): MatValue | undefined => variables.find(([name]) => name.endsWith(suffix))?.[1];
  const [set, ids] = [ending("_set"), ending("_ids")];
  const names = textsOf(set);
  if (ids?.kind !== "numbers" || names.length === 0 || names.length !== ids.data.length)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${printPath(path)} holds ${names.length} names in "..._set" and ${ids?.kind === "numbers" ? ids.data.length : 0} numbers in "..._ids"; expected as many of both, as in TinyFace's lists`,
    );
  return names.map((name, at) => {
    const person = itemAt(ids.data, at);
    if (name === undefined || name === "" || !Number.isSafeInteger(person))
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${printPath(path)}: entry ${at + 1} is no file name with a number`,
      );
    return { name, person };
  });
}
