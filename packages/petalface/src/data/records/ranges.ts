import { itemAt } from "onnx-grad";
import { readHead } from "./heads.ts";
import { findKey, type Keys } from "./keys.ts";
import type { Window } from "./window.ts";

/** People whose first image is looked at, evenly over the set. */
const samples = 256;

/**
 * Who is on each image, as the records of the people say: each holds the keys of its person's first
 * image and of the one past the last. So a set of millions is known after reading its people.
 *
 * @param images the images, by ascending key
 * @param people the records of the people, by ascending key
 * @returns undefined where they do not give each image exactly one person, or where images say
 *   something else than the position of their person among the others; then each image has to be
 *   asked
 */
export async function readRanges(
  window: Window,
  look: Window,
  images: Keys,
  people: Keys,
): Promise<Int32Array | undefined> {
  const { length } = people.keys;
  if (length === 0) return undefined;
  const { keys } = images;
  const person = new Int32Array(keys.length).fill(-1);
  const first = new Int32Array(length).fill(-1);
  let given = 0;
  for (let at = 0; at < length; at++) {
    const head = await readHead(window, itemAt(people.offsets, at));
    if (typeof head === "string" || !Number.isInteger(head.label) || !Number.isInteger(head.second)) return undefined;
    for (let image = findKey(keys, head.label); image < keys.length && itemAt(keys, image) < head.second; image++) {
      if (person[image] !== -1) return undefined;
      person[image] = at;
      if (first[at] === -1) first[at] = image;
      given++;
    }
  }
  if (given !== keys.length) return undefined;
  const step = Math.max(1, Math.floor(length / samples));
  for (let at = 0; at < length; at += step) {
    const image = itemAt(first, at);
    if (image === -1) continue;
    const head = await readHead(look, itemAt(images.offsets, image));
    if (typeof head !== "string" && head.label !== at) return undefined;
  }
  return person;
}
