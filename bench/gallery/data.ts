import { open } from "node:fs/promises";
import { multiplyHadamard } from "petalface/gallery";

/** Numbers of an embedding. */
export const width = 512;
/** Faces of one person. */
export const facesEach = 4;

/** Embeddings lie in a part of their space, as those of a network do; it has so many directions. */
const directions = 128;
/** Some of these vary more than others: their deviations rise evenly from 0.5 to 1.5. */
const deviations = Float64Array.from({ length: directions }, (_, at) => 0.5 + (at + 0.5) / directions);
/** Length of what differs between photos of a person, as a share of what differs between people. */
const within = 0.6;

/** Photos to search for. */
export interface ProbeKind {
  readonly name: string;
  /** As {@link within}; undefined: of people who are not enrolled. */
  readonly within: number | undefined;
}

export const probeKinds: readonly [ProbeKind, ...ProbeKind[]] = [
  { name: "as near as the enrolled photos are to each other", within },
  { name: "poor", within: 1 },
  { name: "very poor", within: 1.5 },
  { name: "of strangers", within: undefined },
];

/** Cosine of such a photo and an enrolled one of the same person, on average. */
export const cosineOf = (kind: ProbeKind): number | undefined =>
  kind.within === undefined ? undefined : 1 / Math.sqrt((1 + within ** 2) * (1 + kind.within ** 2));

/**
 * Numbers in [0, 1) that follow from a person and the number of a drawing (sfc32). Anybody can be
 * drawn without those before, and the numbers of millions of people do not repeat.
 */
function numbersOf(person: number, drawing: number): () => number {
  const state = Int32Array.of(person, drawing, 0x9e3779b9, 1);
  const next = (): number => {
    const a = state[0];
    const b = state[1];
    const c = state[2];
    const out = (a + b + state[3]) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + out;
    state[3] += 1;
    return (out >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** Fills with normally distributed numbers, two at a time (Box and Muller). */
function drawNormal(out: Float64Array, person: number, drawing: number): void {
  const draw = numbersOf(person, drawing);
  for (let at = 0; at < out.length; at += 2) {
    const length = Math.sqrt(-2 * Math.log(1 - draw()));
    const angle = 2 * Math.PI * draw();
    out[at] = length * Math.cos(angle);
    out[at + 1] = length * Math.sin(angle);
  }
}

/** The columns of a Hadamard matrix that are the directions: some of all, chosen by chance. */
function chooseColumns(): Int32Array {
  const draw = numbersOf(-1, -1);
  const all = Int32Array.from({ length: width }, (_, at) => at);
  for (let at = 0; at < directions; at++) {
    const other = at + Math.floor(draw() * (width - at));
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all.slice(0, directions);
}

/**
 * Draws made-up embeddings of length 1: people are points in 128 directions of a space of 512
 * dimensions, and photos are near their person.
 */
export function openDrawer() {
  const columns = chooseColumns();
  const [own, other, whole] = [new Float64Array(directions), new Float64Array(directions), new Float64Array(width)];
  /** Writes one photo of the person in `own` to row `row` of `out`. */
  const photo = (person: number, drawing: number, distance: number, out: Float32Array, row: number): void => {
    drawNormal(other, person, drawing);
    whole.fill(0);
    for (let at = 0; at < directions; at++) whole[columns[at]] = deviations[at] * (own[at] + distance * other[at]);
    multiplyHadamard(whole);
    let square = 0;
    for (let at = 0; at < width; at++) square += whole[at] ** 2;
    const scale = 1 / Math.sqrt(square);
    for (let at = 0; at < width; at++) out[row * width + at] = scale * whole[at];
  };
  return {
    /** `count` enrolled faces from number `first` on, which is a person's first one. */
    faces(first: number, count: number): Float32Array<ArrayBuffer> {
      const out = new Float32Array(count * width);
      for (let row = 0; row < count; row++) {
        const person = Math.floor((first + row) / facesEach);
        const drawing = (first + row) % facesEach;
        if (drawing === 0) drawNormal(own, person, -1);
        photo(person, drawing, within, out, row);
      }
      return out;
    },
    /** Photos of one kind to search for, and the people on them; `faces` are enrolled. */
    probes(kind: ProbeKind, faces: number, count: number) {
      const enrolled = Math.ceil(faces / facesEach);
      const out = new Float32Array(count * width);
      const people = Array.from({ length: count }, (_, probe) =>
        kind.within === undefined ? enrolled + probe : Math.floor(((probe + 0.5) * enrolled) / count),
      );
      people.forEach((person, row) => {
        drawNormal(own, person, -1);
        photo(person, facesEach + probeKinds.indexOf(kind), kind.within ?? within, out, row);
      });
      return { rows: out, people };
    },
  };
}

/** Embeddings that are written at once, in whole people. */
const atOnce = 4000;

/** Writes `faces.f32` (`count x width` float32) and `probes.f32`, of the first kind, for Python. */
export async function writeEmbeddings(folder: string, count: number, probes: number): Promise<void> {
  const drawer = openDrawer();
  await using file = await open(`${folder}/faces.f32`, "w");
  for (let start = 0; start < count; start += atOnce)
    await file.write(new Uint8Array(drawer.faces(start, Math.min(atOnce, count - start)).buffer));
  await using other = await open(`${folder}/probes.f32`, "w");
  await other.write(new Uint8Array(drawer.probes(probeKinds[0], count, probes).rows.buffer));
}
