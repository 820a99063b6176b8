import { csvRows, nameKey, openData } from "../../data/index.ts";
import { cannotRead, messageOf, PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { createPeople, fingerprintOf, type ProtocolPlaces } from "./places.ts";
import type { Comparisons, Protocol, Search } from "./types.ts";

/**
 * Comparisons of all probes with all of the gallery that fit into memory with their scores, some 25
 * bytes each.
 */
const mostComparisons = 30_000_000;

/**
 * What each protocol calls its sets of templates, which are searched in which, and what is counted.
 */
const protocols = {
  briar: {
    name: "BRIAR",
    sets: ["probe", "gallery"],
    searches: [["1:N", "probe", "gallery"]],
    verify: ["probe", "gallery"],
    choice: { fars: [1e-4, 1e-3, 0.01, 0.1], ranks: [1, 5, 10, 20], fpirs: [0.01, 0.1], fpirRanks: [1, 20] },
  },
  ijbs: {
    name: "IJB-S",
    sets: ["surveillance", "single", "booking"],
    searches: [
      ["surveillance to single", "surveillance", "single"],
      ["surveillance to booking", "surveillance", "booking"],
      ["surveillance to surveillance", "surveillance", "surveillance"],
    ],
    verify: undefined,
    choice: { fars: [], ranks: [1, 5, 10], fpirs: [0.01, 0.1], fpirRanks: [1] },
  },
} as const;

interface Row {
  readonly set: string;
  readonly template: string;
  readonly person: string;
  readonly path: string;
  readonly media: string;
  readonly weight: number;
}

/**
 * Templates that a manifest lists: a CSV file with the columns `path,person,set,template` and
 * optionally `media` (faces of one template with the same medium are frames of one video and count
 * as one) and `weight` (such as a detector's score). `briar` has the sets probe and gallery; `ijbs`
 * surveillance, single and booking, of which sets may be missing. Where a set is searched in
 * itself, a template is not its own mate.
 *
 * @throws PetalfaceError naming the line that is wrong
 */
export async function openTemplates(
  kind: keyof typeof protocols,
  { data: spec, lists: _, ...how }: ProtocolPlaces,
): Promise<Protocol> {
  const { name, sets, searches, verify, choice } = protocols[kind];
  if (!/\.csv$/i.test(spec))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `'protocol' ${kind} takes a CSV file as 'data', not ${printPath(spec)}; see \`petalface evaluate 'protocol' ${kind} 'help'\``,
    );
  const data = await openData(spec, how);
  const place = new Map(Array.from({ length: data.length }, (_, at) => [nameKey(data.at(at).id), at]));
  const people = createPeople();
  const items = new Map<string, number>();
  const [person, setOf]: [number[], string[]] = [[], []];
  const [faces, item, media, weight]: [number[], number[], number[], number[]] = [[], [], [], []];
  const mediaNumbers = createPeople();
  for await (const { row, wrong } of readRows(spec, sets)) {
    const face = place.get(nameKey(row.path));
    // It was counted among what cannot be read when the set was opened.
    if (face === undefined) continue;
    const key = JSON.stringify([row.set, row.template]);
    const who = people.number(row.person);
    let number = items.get(key);
    if (number === undefined) {
      number = items.size;
      items.set(key, number);
      person.push(who);
      setOf.push(row.set);
    }
    if (person[number] !== who) throw wrong(`template ${row.template} shows two people`);
    faces.push(face);
    item.push(number);
    media.push(mediaNumbers.number(row.media === "" ? `face ${face}` : `medium ${row.media}`));
    weight.push(row.weight);
  }
  const members = (set: string): Int32Array => Int32Array.from(setOf.keys()).filter((at) => setOf[at] === set);
  const found: Search[] = searches.flatMap(([search, probes, gallery]): Search[] => {
    const [one, other] = [members(probes), members(gallery)];
    return one.length === 0 || other.length === 0 ? [] : [{ name: search, probes: one, gallery: other }];
  });
  if (found.length === 0)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(spec)} lists no templates to compare; its column set says ${sets.join(", ")}`,
    );
  const owners = Int32Array.from(person);
  return {
    kind,
    name,
    fingerprint: fingerprintOf(
      kind,
      data.fingerprint,
      owners,
      Int32Array.from(item),
      Int32Array.from(media),
      Float32Array.from(weight),
      ...setOf,
    ),
    data,
    faces: Int32Array.from(faces),
    item: Int32Array.from(item),
    media: Int32Array.from(media),
    weight: Float32Array.from(weight),
    items: Array.from(items.keys(), (key) => (JSON.parse(key) as string[]).join(" ")),
    person: owners,
    people: people.count,
    comparisons: verify === undefined ? [] : [allPairs(members(verify[0]), members(verify[1]), owners)],
    searches: found,
    choice,
    fusion: "none",
  };
}

/** Every probe with every template of the gallery. */
function allPairs(probes: Int32Array, gallery: Int32Array, person: Int32Array): Comparisons {
  const count = probes.length * gallery.length;
  if (count > mostComparisons)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${probes.length} probes and ${gallery.length} gallery templates give ${count} comparisons; at most ${mostComparisons} are measured, so split the probes`,
    );
  const [first, second, same] = [new Int32Array(count), new Int32Array(count), new Uint8Array(count)];
  let at = 0;
  for (const probe of probes)
    for (const enrolled of gallery) {
      first[at] = probe;
      second[at] = enrolled;
      same[at++] = person[probe] === person[enrolled] ? 1 : 0;
    }
  return { name: "1:1", first, second, same, enrolled: "second" };
}

async function* readRows(path: string, sets: readonly string[]) {
  const wrongAt = (line: number, what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(path)}, line ${line}: ${what}`);
  try {
    for await (const { record, line } of csvRows(path, wrongAt)) {
      const wrong = (what: string): PetalfaceError => wrongAt(line, what);
      const { set = "", template = "", person = "", path: face = "", media = "", weight = "" } = record;
      if (!sets.includes(set)) throw wrong(`set is ${JSON.stringify(set)}; expected ${sets.join(", ")}`);
      if (template === "" || person === "") throw wrong("expected the columns path, person, set and template");
      const factor = weight === "" ? 1 : Number(weight);
      if (!Number.isFinite(factor)) throw wrong(`weight ${JSON.stringify(weight)} is not a number`);
      const row: Row = { set, template, person, media, path: face.replaceAll("\\", "/"), weight: factor };
      yield { row, wrong };
    }
  } catch (cause) {
    throw cannotRead(printPath(path), cause, messageOf(cause));
  }
}
