import { join } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { csvRows, type FaceData, type IjbMeta, nameKey, openData, readIjbMeta } from "../../data/index.ts";
import { cannotRead, messageOf, PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { exists, filesOf, findPlace, fingerprintOf, type ProtocolPlaces } from "./places.ts";
import type { Protocol, Search } from "./types.ts";

/**
 * IJB-B and IJB-C: templates of photos and video frames. 1:1 over the official pairs, TAR at FAR
 * 1e-6 to 0.1 as the reference evaluator reads it off the ROC; where the lists of galleries and
 * probes are there, 1:N against each gallery (ranks, TPIR at FPIR 1 and 10 %). A face's embedding
 * and its mirror image's are added, weighted by the detector's score, averaged within a medium and
 * summed over media.
 *
 * People, the units of the intervals, come from the subjects of those lists, else from the pairs
 * that show one person.
 *
 * @throws PetalfaceError naming the file, and the line, that is wrong
 */
export async function openIjb(kind: "ijbb" | "ijbc", { data: spec, lists, ...how }: ProtocolPlaces): Promise<Protocol> {
  const meta =
    lists ??
    (await findPlace(kind, [join(spec, "meta"), join(spec, "..", "meta"), spec], [`${kind}_face_tid_mid.txt`]));
  const list = await readIjbMeta(meta);
  const folder = (await exists(join(spec, "loose_crop"))) ? join(spec, "loose_crop") : spec;
  const data = await openData(folder, how);
  return ijbProtocol(kind, list, data, folder, await readSubjects(kind, meta));
}

/** The protocol of lists that have been read; exported for tests, which have no crops. */
export function ijbProtocol(
  kind: "ijbb" | "ijbc",
  list: IjbMeta,
  data: FaceData,
  folder: string,
  subjects: Lists,
): Protocol {
  const faces = findFaces(data, list, folder);
  const template = new Map<number, number>();
  for (const number of list.template) if (!template.has(number)) template.set(number, template.size);
  const placed = (number: number): number => entryOf(template, number);
  const { first, second, same } = list.pairs;
  const comparison = {
    name: "1:1",
    first: first.map(placed),
    second: second.map(placed),
    same,
    enrolled: "first" as const,
  };
  const owners = people(template.size, comparison, subjects, template);
  return {
    kind,
    name: kind === "ijbb" ? "IJB-B" : "IJB-C",
    fingerprint: fingerprintOf(kind, list.template, list.media, list.score, first, second, same, list.names.bytes),
    data,
    faces,
    item: list.template.map(placed),
    media: list.media,
    weight: list.score,
    items: Array.from(template.keys(), (number) => `template ${number}`),
    person: owners.person,
    people: owners.count,
    guessed: subjects.galleries.length === 0 && subjects.probes === undefined,
    comparisons: [comparison],
    searches: searchesOf(subjects, template),
    choice: {
      fars: [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1],
      ranks: [1, 5, 10],
      fpirs: [0.01, 0.1],
      fpirRanks: [1],
    },
    fusion: "sum",
    nearest: true,
  };
}

function findFaces(data: FaceData, { names }: IjbMeta, folder: string): Int32Array {
  const stem = (name: string): string => nameKey(name.replace(/\.[^./]*$/, ""));
  const place = new Map<string, number>();
  for (let at = 0; at < data.length; at++) place.set(stem(data.at(at).id), at);
  return Int32Array.from({ length: names.length }, (_, at) => {
    const face = place.get(stem(names.at(at)));
    if (face === undefined)
      throw new PetalfaceError(
        "PETAL_DATA_MISSING",
        `${folder} lacks ${names.at(at)}, which the lists name; give the folder of all aligned crops`,
      );
    return face;
  });
}

/** Subject of each template, of one gallery or of the probes. */
type Subjects = ReadonlyMap<number, string>;

interface Lists {
  readonly galleries: readonly { readonly name: string; readonly subjects: Subjects }[];
  readonly probes: Subjects | undefined;
}

async function readSubjects(kind: string, meta: string): Promise<Lists> {
  const files = await filesOf(meta);
  const galleries = [];
  for (const file of files) {
    const name = new RegExp(`^${kind}_1N_gallery_([GS][12])\\.csv$`).exec(file)?.[1];
    if (name !== undefined) galleries.push({ name, subjects: await readCsv(join(meta, file)) });
  }
  const probe = `${kind}_1N_probe_mixed.csv`;
  return { galleries, probes: files.includes(probe) ? await readCsv(join(meta, probe)) : undefined };
}

async function readCsv(path: string): Promise<Subjects> {
  const subjects = new Map<number, string>();
  const wrong = (line: number, what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(path)}, line ${line}: ${what}`);
  const columns = (header: string[]): string[] => header.map((name) => name.trim().toUpperCase());
  try {
    for await (const { record, line } of csvRows(path, wrong, { columns, relax_column_count: true })) {
      const { TEMPLATE_ID: id = "", SUBJECT_ID: subject = "" } = record;
      if (!/^\d{1,9}$/.test(id) || subject === "") throw wrong(line, "expected columns TEMPLATE_ID and SUBJECT_ID");
      subjects.set(Number(id), subject);
    }
  } catch (cause) {
    throw cannotRead(printPath(path), cause, messageOf(cause));
  }
  return subjects;
}

function searchesOf({ galleries, probes }: Lists, template: ReadonlyMap<number, number>): Search[] {
  if (probes === undefined) return [];
  // A template none of whose faces was found has no embedding.
  const items = (subjects: Subjects): Int32Array =>
    Int32Array.from([...subjects.keys()].flatMap((number) => template.get(number) ?? []));
  return galleries.map(({ name, subjects }) => ({
    name: `1:N ${name}`,
    probes: items(probes),
    gallery: items(subjects),
  }));
}

/** Who each template shows: one subject, or whatever genuine pairs connect. */
function people(
  count: number,
  { first, second, same }: { readonly first: Int32Array; readonly second: Int32Array; readonly same: Uint8Array },
  { galleries, probes }: Lists,
  template: ReadonlyMap<number, number>,
): { readonly person: Int32Array; readonly count: number } {
  const root = Int32Array.from({ length: count }, (_, at) => at);
  const find = (at: number): number => {
    let top = at;
    while (root[top] !== top) top = itemAt(root, top);
    for (let step = at; step !== top; ) {
      const next = itemAt(root, step);
      root[step] = top;
      step = next;
    }
    return top;
  };
  const join = (one: number, other: number): void => {
    root[find(one)] = find(other);
  };
  for (let pair = 0; pair < same.length; pair++) if (same[pair] === 1) join(itemAt(first, pair), itemAt(second, pair));
  const bySubject = new Map<string, number>();
  for (const subjects of [...galleries.map((gallery) => gallery.subjects), ...(probes === undefined ? [] : [probes])]) {
    for (const [number, subject] of subjects) {
      const item = template.get(number);
      if (item === undefined) continue;
      const known = bySubject.get(subject);
      if (known === undefined) bySubject.set(subject, item);
      else join(item, known);
    }
  }
  const numbers = new Map<number, number>();
  const person = Int32Array.from({ length: count }, (_, at) => {
    const top = find(at);
    if (!numbers.has(top)) numbers.set(top, numbers.size);
    return entryOf(numbers, top);
  });
  return { person, count: numbers.size };
}
