import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { type Embedder, rowsNotFinite } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import { type Loader, prefetch } from "../images/index.ts";
import { identify, type Matcher, normaliseRows, rowsOf } from "../matching/index.ts";
import { random } from "../random.ts";
import { openScratch, type Scratch } from "../scratch.ts";
import { makeTemporary } from "../temporary.ts";

/** A face that does not look like its person. */
export interface Outlier {
  readonly face: number;
  /** Cosine with the mean direction of its person's other faces. */
  readonly own: number;
  /**
   * The person it resembles instead, and the cosine with that person's mean; undefined where it
   * resembles no person of the set.
   */
  readonly like: { readonly person: number; readonly cosine: number } | undefined;
}

/** Two people of two sets who look like one. */
export interface SharedPerson {
  readonly person: number;
  readonly other: number;
  readonly cosine: number;
}

/** Where the line between the same person and another lies, seen on the set itself. */
export interface Levels {
  /**
   * Mean and standard deviation of the cosine of a face with the mean direction of another person.
   */
  readonly strangers: { readonly mean: number; readonly deviation: number };
  /**
   * A face below this is no nearer to its person than strangers are: mean + 3 deviations of theirs.
   */
  readonly outlier: number;
  /** Median cosine of a face with its own person's other faces. */
  readonly own: number;
  /**
   * From here on two are said to look like one: three quarters of the way from strangers to
   * {@link own}.
   */
  readonly alike: number;
}

/** The people of a set as a model sees them. */
export interface People extends Disposable {
  readonly data: FaceData;
  readonly width: number;
  /** Sums of unit embeddings, a row a person; zero where no face could be read. */
  readonly centres: Float32Array;
  readonly faces: Uint32Array;
  /**
   * Unit embeddings of all faces in order; zeros where a face could not be read or has no finite
   * embedding.
   */
  readonly rows: Scratch;
  /** Faces that can be read and have no finite embedding; they are in no mean. */
  readonly notFinite: readonly number[];
}

/** Rows read back at once. */
const chunk = 4096;
/** Pairs of face and stranger that {@link Levels} come from. */
const strangerPairs = 20_000;
/**
 * The best of thousands of strangers comes far above their mean; this share of the way to one's own
 * faces none of LFW's did.
 */
const alikeShare = 0.75;

/**
 * Embeds every face of a set, sharp, into a file, and means it by person. Memory: one row a person.
 */
export async function readPeople(
  data: FaceData,
  embedder: Embedder,
  loader: Loader,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((done: number) => void) | undefined;
  } = {},
): Promise<People> {
  const { width, batch } = embedder;
  const temporary = await makeTemporary();
  const scratch = openScratch(join(temporary.path, "rows"), width);
  const rows: Scratch = {
    ...scratch,
    close() {
      scratch.close();
      temporary.remove();
    },
  };
  try {
    const centres = new Float32Array(data.people.length * width);
    const faces = new Uint32Array(data.people.length);
    const notFinite: number[] = [];
    function* batches() {
      for (let start = 0; start < data.length; start += batch) {
        const samples = Array.from({ length: Math.min(batch, data.length - start) }, (_, i) => data.at(start + i));
        const lost = new Set<number>();
        const requests = samples.map(({ source }) => ({ source, flip: false }));
        yield loader.load(requests, (index) => lost.add(index)).then((planes) => ({ start, samples, planes, lost }));
      }
    }
    for await (const { start, samples, planes, lost } of prefetch(batches(), 3)) {
      options.signal?.throwIfAborted();
      const { data: embeddings } = await embedder.embed(planes, samples.length);
      const units = new Float32Array(samples.length * width);
      for (const row of rowsNotFinite(embeddings, width)) {
        if (lost.has(row)) continue;
        lost.add(row);
        notFinite.push(start + row);
      }
      samples.forEach(({ person }, i) => {
        if (lost.has(i)) return;
        const row = embeddings.subarray(i * width, (i + 1) * width);
        const length = Math.max(norm(row), 1e-12);
        for (let k = 0; k < width; k++) {
          const value = row[k] / length;
          units[i * width + k] = value;
          if (person >= 0) centres[person * width + k] += value;
        }
        if (person >= 0) faces[person] += 1;
      });
      rows.write(start, units);
      options.onProgress?.(start + samples.length);
    }
    return { data, width, centres, faces, rows, notFinite, [Symbol.dispose]: () => rows.close() };
  } catch (error) {
    rows.close();
    throw error;
  }
}

/**
 * Finds the faces that do not look like their person. A person of one face has nothing to be
 * compared with.
 */
export async function findOutliers(
  people: People,
  matcher: Matcher,
  signal?: AbortSignal,
): Promise<{ readonly levels: Levels | undefined; readonly outliers: readonly Outlier[] }> {
  const levels = measureLevels(people);
  if (levels === undefined) return { levels, outliers: [] };
  const suspects: number[] = [];
  const owns: number[] = [];
  eachFace(people, (face, row, person) => {
    const own = ownCosine(people, row, person);
    if (own === undefined || own >= levels.outlier) return;
    suspects.push(face);
    owns.push(own);
  });
  if (suspects.length === 0) return { levels, outliers: [] };
  const { width, data } = people;
  const probes = new Float32Array(suspects.length * width);
  suspects.forEach((face, i) => {
    people.rows.read(face, 0, probes.subarray(i * width, (i + 1) * width));
  });
  const { other, otherRow } = await identify(
    matcher,
    {
      probes,
      probeLabels: Int32Array.from(suspects, (face) => data.at(face).person),
      gallery: rowsOf(normaliseRows(people.centres, width), width),
      galleryLabels: Int32Array.from(data.people.keys()),
    },
    { signal },
  );
  const outliers = suspects.map((face, i): Outlier => {
    const own = owns[i];
    const cosine = other[i];
    return { face, own, like: cosine >= levels.alike ? { person: otherRow[i], cosine } : undefined };
  });
  return { levels, outliers: outliers.sort((a, b) => a.own - b.own || a.face - b.face) };
}

/**
 * People of `one` whose mean direction is at least `level` near to that of a person of `other`; the
 * nearest is reported.
 */
export async function findShared(
  one: People,
  other: People,
  level: number,
  matcher: Matcher,
  signal?: AbortSignal,
): Promise<readonly SharedPerson[]> {
  const found = await identify(
    matcher,
    {
      probes: normaliseRows(one.centres, one.width),
      // No two faces are known to show one person.
      probeLabels: new Int32Array(one.faces.length).fill(-1),
      gallery: rowsOf(normaliseRows(other.centres, other.width), other.width),
      galleryLabels: Int32Array.from(other.faces.keys()),
    },
    { signal },
  );
  return [...one.faces.keys()]
    .flatMap((person) => {
      const cosine = itemAt(found.other, person);
      return cosine >= level ? [{ person, other: itemAt(found.otherRow, person), cosine }] : [];
    })
    .sort((a, b) => b.cosine - a.cosine || a.person - b.person);
}

function measureLevels(people: People): Levels | undefined {
  const { data, faces } = people;
  const known = faces.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  if (known < 2) return undefined;
  const owns: number[] = [];
  const strangers: number[] = [];
  const stream = random("strangers", data.length);
  const share = Math.min(1, strangerPairs / data.length);
  eachFace(people, (_, row, person) => {
    if (stream.uniform() >= share) return;
    const own = ownCosine(people, row, person);
    if (own !== undefined) owns.push(own);
    const stranger = stream.int(faces.length);
    if (stranger !== person && itemAt(faces, stranger) > 0) strangers.push(cosineWith(people, row, stranger, 0));
  });
  if (owns.length === 0 || strangers.length < 2) return undefined;
  const mean = strangers.reduce((sum, value) => sum + value, 0) / strangers.length;
  const deviation = Math.sqrt(strangers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / strangers.length);
  const own = itemAt(
    owns.sort((a, b) => a - b),
    Math.floor(owns.length / 2),
  );
  return {
    strangers: { mean, deviation },
    outlier: mean + 3 * deviation,
    own,
    alike: mean + alikeShare * (own - mean),
  };
}

/** Cosine of a face with its person's other faces; undefined where there are none. */
const ownCosine = (people: People, row: Float32Array, person: number): number | undefined =>
  (people.faces[person] ?? 0) < 2 ? undefined : cosineWith(people, row, person, 1);

/** Cosine of a row with a person's sum of rows, less `share` times the row itself. */
function cosineWith({ centres, width }: People, row: Float32Array, person: number, share: number): number {
  let product = 0;
  let squares = 0;
  for (let k = 0; k < width; k++) {
    const value = centres[person * width + k] - share * row[k];
    product += value * row[k];
    squares += value * value;
  }
  return product / Math.max(Math.sqrt(squares), 1e-12);
}

/** Calls back for every face of a known person that could be read. */
function eachFace(people: People, visit: (face: number, row: Float32Array, person: number) => void): void {
  const { data, rows, width } = people;
  for (let start = 0; start < data.length; start += chunk) {
    const part = new Float32Array(Math.min(chunk, data.length - start) * width);
    rows.read(start, 0, part);
    for (let i = 0; i * width < part.length; i++) {
      const row = part.subarray(i * width, (i + 1) * width);
      const { person } = data.at(start + i);
      if (person >= 0 && norm(row) > 0) visit(start + i, row, person);
    }
  }
}

function norm(row: Float32Array): number {
  let squares = 0;
  for (let k = 0; k < row.length; k++) squares += row[k] ** 2;
  return Math.sqrt(squares);
}
