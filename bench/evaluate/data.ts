import { existsSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drawer } from "../skeleton/statistics.ts";
import { ijbc, tinyface, width } from "./sizes.ts";

/** A row: its person's direction plus noise, drawn so that some people are confused. */
function drawRow(out: Float32Array, at: number, person: number, image: number, noise: number): void {
  const centre = drawer(Math.imul(person + 7, 2654435761));
  const jitter = drawer(Math.imul(image + 11, 2246822519) ^ 0x5bd1e995);
  for (let k = 0; k < width; k++) out[at + k] = centre() - 0.5 + noise * (jitter() - 0.5);
}

function npyHead(dtype: string, shape: readonly number[]): Buffer {
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const head = Buffer.alloc(length, " ");
  head.write("\x93NUMPY\x01\x00", "latin1");
  head.writeUInt16LE(length - 10, 8);
  head.write(text, 10, "latin1");
  head[length - 1] = 10;
  return head;
}

/** @param firstImage number of the first row's image: no two images have the same noise. */
async function writeRows(
  path: string,
  count: number,
  noise: number,
  personOf: (row: number) => number,
  firstImage = 0,
): Promise<void> {
  await using file = await open(path, "w");
  await file.writeFile(npyHead("<f4", [count, width]));
  const chunk = 4096;
  for (let start = 0; start < count; start += chunk) {
    const rows = new Float32Array(Math.min(chunk, count - start) * width);
    for (let at = 0; at < rows.length; at += width)
      drawRow(rows, at, personOf(start + at / width), firstImage + start + at / width, noise);
    await file.writeFile(new Uint8Array(rows.buffer));
  }
}

const writeArray = (path: string, values: Int32Array): Promise<void> =>
  writeFile(path, Buffer.concat([npyHead("<i4", [values.length]), Buffer.from(values.buffer)]));

/** Makes features, templates and pairs of IJB-C's size, unless they are there. About 1.1 GB. */
export async function makeIjbc(folder: string): Promise<void> {
  if (existsSync(join(folder, "label.npy"))) return;
  const { images, templates, people, enrolled, pairs, genuine } = ijbc;
  // Templates 0 to enrolled - 1 are enrolled, one a person; the others are probes.
  const personOf = (template: number): number => template % people;
  const template = Int32Array.from({ length: images }, (_, i) => i % templates);
  await writeRows(join(folder, "images.npy"), images, 16, (i) => personOf(i % templates));
  await writeArray(join(folder, "template.npy"), template);
  await writeArray(
    join(folder, "media.npy"),
    template.map((_, i) => Math.floor(i / (3 * templates))),
  );
  const next = drawer(5);
  const first = new Int32Array(pairs);
  const second = new Int32Array(pairs);
  const label = new Int32Array(pairs);
  for (let pair = 0; pair < pairs; pair++) {
    // In the order of the official list: enrolled templates one after the other.
    const a = Math.floor((pair * enrolled) / pairs);
    let b = enrolled + Math.floor(next() * (templates - enrolled));
    if (pair % Math.floor(pairs / genuine) === 0) b = a + people * (1 + Math.floor(next() * 4));
    first[pair] = a;
    second[pair] = b;
    label[pair] = personOf(a) === personOf(b) ? 1 : 0;
  }
  await writeArray(join(folder, "first.npy"), first);
  await writeArray(join(folder, "second.npy"), second);
  await writeArray(join(folder, "label.npy"), label);
}

/** Makes features and labels of TinyFace's size, unless they are there. About 0.35 GB. */
export async function makeTinyface(folder: string): Promise<void> {
  if (existsSync(join(folder, "probe-labels.npy"))) return;
  const { distractors, gallery, probes, people } = tinyface;
  await writeRows(join(folder, "gallery.npy"), gallery + distractors, 2, (i) => (i < gallery ? i % people : 1e6 + i));
  await writeRows(join(folder, "probes.npy"), probes, 2, (i) => i % people, 1e7);
  await writeArray(
    join(folder, "gallery-labels.npy"),
    Int32Array.from({ length: gallery + distractors }, (_, i) => (i < gallery ? i % people : -1)),
  );
  await writeArray(
    join(folder, "probe-labels.npy"),
    Int32Array.from({ length: probes }, (_, i) => i % people),
  );
}
