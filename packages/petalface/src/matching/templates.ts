import { entryOf } from "onnx-grad";
import { rowsNotFinite } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import type { RowSource, WorkOptions } from "./rows.ts";
import { normaliseRows } from "./scores.ts";

/** Which images make up which template. Arrays have one entry an image. */
export interface TemplateMembers {
  /** Number of templates; {@link template} is below it. */
  readonly templates: number;
  readonly template: Int32Array;
  /**
   * Images of one template with the same number are frames of one video: they count as one image,
   * their mean.
   */
  readonly media: Int32Array;
  /** What an embedding is multiplied with, such as the detector's score; 1 unless given. */
  readonly weight?: Float32Array | undefined;
  /**
   * Rows are an image's embedding and its mirror image's, one behind the other; they are added
   * first.
   */
  readonly flipped?: boolean | undefined;
  /** Images that take no part. */
  readonly left?: ReadonlySet<number> | undefined;
  /**
   * Called for each further image whose row is not finite, which is not added; without it the first
   * one is an error. Where it is one of several of a medium the mean is wrong then: pool again with
   * it in {@link left}.
   */
  readonly onLeft?: ((image: number) => void) | undefined;
}

/** Images read at once. */
const chunk = 4096;

/**
 * One embedding a template: the weighted mean inside each medium, summed over media, scaled to unit
 * length (the IJB protocols' way). Images stream by once, front to back; memory holds the templates
 * only, because the mean of a medium divides by a count known beforehand. A template without any
 * image left is a row of zeros.
 *
 * @param images embeddings as the network gives them: their length counts, so they are not
 * normalised.
 * @returns `templates x width`, row-major.
 */
export async function poolTemplates(
  images: RowSource,
  { templates, template, media, weight, flipped = false, left, onLeft }: TemplateMembers,
  { signal, onProgress }: WorkOptions = {},
): Promise<Float32Array> {
  const width = flipped ? images.width / 2 : images.width;
  if (
    template.length !== images.count ||
    media.length !== images.count ||
    (weight?.length ?? images.count) !== images.count
  )
    throw new PetalfaceError(
      "PETAL_ARGUMENT_INVALID",
      `${template.length} images are listed in templates, and ${images.count} were embedded`,
    );
  const share = shareOfMedium(template, media, left);
  const sums = new Float64Array(templates * width);
  for (let start = 0; start < images.count; start += chunk) {
    signal?.throwIfAborted();
    const count = Math.min(chunk, images.count - start);
    const rows = await images.read(start, count);
    const bad = new Set(onLeft && rowsNotFinite(rows.subarray(0, count * images.width), images.width));
    for (let row = 0; row < count; row++) {
      const known = left?.has(start + row) === true;
      if (bad.has(row) && !known) onLeft?.(start + row);
      if (bad.has(row) || known) continue;
      const image = start + row;
      const factor = share[image] * (weight === undefined ? 1 : weight[image]);
      const to = template[image] * width;
      const from = row * images.width;
      for (let i = 0; i < width; i++) {
        const value = flipped ? rows[from + i] + rows[from + width + i] : rows[from + i];
        sums[to + i] += factor * value;
      }
    }
    onProgress?.((start + count) / images.count);
  }
  return normaliseRows(sums, width, "template");
}

/** 1 / (number of images of the same template and medium that take part), of each image. */
function shareOfMedium(template: Int32Array, media: Int32Array, left?: ReadonlySet<number>): Float64Array {
  const numbers = new Map<number, number>();
  for (const medium of media) if (!numbers.has(medium)) numbers.set(medium, numbers.size);
  const groups = new Map<number, number>();
  const counts: number[] = [];
  const group = Int32Array.from(template, (owner, image) => {
    const key = owner * numbers.size + entryOf(numbers, media[image]);
    let place = groups.get(key);
    if (place === undefined) {
      place = groups.size;
      groups.set(key, place);
      counts.push(0);
    }
    if (left?.has(image) !== true) counts[place] += 1;
    return place;
  });
  return Float64Array.from(group, (place) => 1 / counts[place]);
}
