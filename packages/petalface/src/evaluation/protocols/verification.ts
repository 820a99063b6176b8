import { itemAt } from "onnx-grad";
import { readVerification } from "../../data/index.ts";
import { printPath } from "../../images/index.ts";
import type { PairList } from "../results/types.ts";
import { buildPairList, type NamedPair } from "./pairs.ts";

/** Folds of the lists: ten runs of pairs in their order. */
const listFolds = 10;

/**
 * The pairs of a verification list (`lfw.bin`, ...), ten folds in their order; ids are the numbers
 * of the images. The list does not say who is on an image, only which two show one person: whoever
 * such pairs, or equal images, connect counts as one person ({@link PairList.guessed}).
 *
 * @throws PetalfaceError where the file is something else
 */
export async function readVerificationPairs(path: string): Promise<PairList> {
  const { original, same } = await readVerification(path);
  const root = Int32Array.from(original);
  const find = (image: number): number => {
    let top = image;
    while (root[top] !== top) top = itemAt(root, top);
    return top;
  };
  for (let pair = 0; pair < same.length; pair++) {
    if (same[pair] !== 1) continue;
    const [one, other] = [find(2 * pair), find(2 * pair + 1)];
    root[Math.max(one, other)] = Math.min(one, other);
  }
  const side = (image: number) => ({ id: String(original[image]), person: `person of image ${find(image)}` });
  const folds = Math.min(listFolds, same.length);
  // As scikit-learn's KFold: the first folds are longer by one where they do not come out even.
  const [short, longer] = [Math.floor(same.length / folds), same.length % folds];
  const foldOf = (pair: number): number =>
    pair < longer * (short + 1)
      ? Math.floor(pair / (short + 1))
      : longer + Math.floor((pair - longer * (short + 1)) / short);
  const pairs = Array.from(
    same,
    (flag, pair): NamedPair => ({
      first: side(2 * pair),
      second: side(2 * pair + 1),
      same: flag === 1,
      fold: foldOf(pair),
    }),
  );
  return buildPairList(printPath(path).replace(/^.*\//, ""), pairs, true);
}
