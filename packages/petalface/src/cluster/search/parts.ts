import { randomUUID } from "node:crypto";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import {
  createGallery,
  dropGallery,
  type EmbeddingRecord,
  type GallerySettings,
  type GalleryStore,
  isSameModel,
  openGallery,
  shownGallery,
} from "../../gallery/index.ts";
import { joinPeople, joinRemovals, joinVectors, partIds } from "./joined.ts";
import { isDown, type MissingPart, partOfPerson, type WhenDown } from "./merge.ts";

/** One part of a gallery on several servers, opened. */
export interface OpenPart {
  /** Its number, from 0. */
  readonly at: number;
  /** For messages; without a password. */
  readonly shown: string;
  readonly store: GalleryStore;
}

/**
 * What a gallery on several servers does as one on one server does; a person is on one server with
 * all faces.
 */
type SharedWork = Pick<
  GalleryStore,
  | ("path" | "settings" | "record" | "people" | "count" | "names" | "ids" | "faces" | "vectors" | "read" | "crop")
  | (
      | "indexedBy"
      | "buildIndex"
      | "add"
      | "addAll"
      | "remove"
      | "forgetExpired"
      | "audit"
      | "compact"
      | "check"
      | "close"
    )
>;

/**
 * A gallery whose people are divided over several servers of PostgreSQL by a hash of their names;
 * close it after use. Ids tell the parts apart: id `i` of part p of n is `i x n + p`.
 */
export interface GalleryParts extends SharedWork, AsyncDisposable {
  /** The parts that answer, by their numbers. */
  readonly parts: readonly OpenPart[];
  /** How many parts the gallery has. */
  readonly of: number;
  /** Parts that did not answer when it was opened. */
  readonly missing: readonly MissingPart[];
}

/**
 * Makes an empty gallery on several servers: all of its parts, or none.
 *
 * @param addresses one `postgres://USER@HOST/DATABASE?gallery=NAME` for each part, in any order
 * @throws PetalfaceError where one of them cannot be made
 */
export async function createGalleryParts(
  addresses: readonly string[],
  record: EmbeddingRecord,
  settings: GallerySettings,
): Promise<void> {
  refuseTwice(addresses);
  const set = randomUUID();
  const made: string[] = [];
  try {
    for (const [at, address] of addresses.entries()) {
      await createGallery(address, record, { ...settings, part: { set, at, of: addresses.length } });
      made.push(address);
    }
  } catch (error) {
    // A server may be down by now; what is left there is an empty part that nothing opens.
    for (const address of made) await dropGallery(address).catch(() => undefined);
    throw error;
  }
}

/**
 * Opens a gallery on several servers.
 *
 * @param addresses of its parts, in any order
 * @param whenDown `error`: every part must answer; `partial`: at least one, and people on the
 * others' servers are missing
 * @throws PetalfaceError where parts do not answer, or are not those of one gallery
 */
export async function openGalleryParts(
  addresses: readonly string[],
  { whenDown }: { readonly whenDown: WhenDown },
): Promise<GalleryParts> {
  refuseTwice(addresses);
  const tried = await Promise.allSettled(addresses.map((address) => openGallery(address, { parts: "allowed" })));
  const opened = tried.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  try {
    const missing = tried.flatMap((each, at): MissingPart[] => {
      if (each.status === "fulfilled") return [];
      const error: unknown = each.reason;
      if (whenDown === "error" || !isDown(error)) throw error;
      return [{ part: shownGallery(addresses[at] ?? ""), reason: error.message }];
    });
    if (opened.length === 0)
      throw new PetalfaceError(
        "PETAL_DATABASE_FAILED",
        `none of the ${addresses.length} servers of this gallery answers, the first is ${missing[0]?.part}: ${missing[0]?.reason}`,
      );
    const parts = sortParts(opened);
    const of = parts[0]?.store.settings.part?.of ?? 0;
    if (addresses.length < of && whenDown === "error")
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `this gallery has ${of} parts, and ${addresses.length} were named; give all of its servers, one 'store' each`,
      );
    await requireOneModel(parts);
    const unnamed = Array.from({ length: of - addresses.length }, () => ({
      part: "a part",
      reason: "its server was not named",
    }));
    return partsStore(parts, of, [...missing, ...unnamed]);
  } catch (error) {
    for (const store of opened) await store.close();
    throw error;
  }
}

function refuseTwice(addresses: readonly string[]): void {
  const all = addresses.map(shownGallery);
  const twice = all.find((shown, at) => all.indexOf(shown) !== at);
  if (twice !== undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", `${twice} is named twice as a 'store'`);
}

/** Parts by their numbers. Throws PetalfaceError where they are not those of one gallery. */
function sortParts(opened: readonly GalleryStore[]): OpenPart[] {
  const [first] = opened;
  const parts = opened.map((store): OpenPart => {
    const { path, settings } = store;
    if (settings.part === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_UNFIT",
        `${path} is a gallery of its own, not a part of one on several servers; give it alone, or make one with petalface gallery create and several 'store'`,
      );
    if (settings.part.set !== first?.settings.part?.set)
      throw new PetalfaceError("PETAL_OPTION_UNFIT", `${path} and ${first?.path} are parts of different galleries`);
    return { at: settings.part.at, shown: path, store };
  });
  return parts.toSorted((a, b) => a.at - b.at);
}

async function requireOneModel(parts: readonly OpenPart[]): Promise<void> {
  let before: { readonly shown: string; readonly record: EmbeddingRecord } | undefined;
  for (const { shown, store } of parts) {
    const record = await store.record();
    if (before !== undefined && !isSameModel(before.record, record))
      throw new PetalfaceError(
        "PETAL_GALLERY_MISMATCH",
        `${before.shown} and ${shown} are parts of one gallery, and have embeddings of different models; bring each part to the same with petalface gallery migrate`,
      );
    before = { shown, record };
  }
}

function partsStore(parts: readonly OpenPart[], of: number, missing: readonly MissingPart[]): GalleryParts {
  const ids = partIds(of);
  /** Asks every part at once. */
  const each = <T>(work: (part: OpenPart) => Promise<T>): Promise<T[]> => Promise.all(parts.map(work));
  const [first] = parts;
  if (first === undefined) throw new Error("a gallery without parts");
  const partFor = (person: string): GalleryStore => {
    const at = partOfPerson(person, of);
    const found = parts.find((part) => part.at === at);
    if (found !== undefined) return found.store;
    throw new PetalfaceError(
      "PETAL_DATABASE_FAILED",
      `part ${at + 1} of ${of}, where this person belongs, does not answer; start its server, then try again`,
    );
  };
  const close = async (): Promise<void> => {
    await each(({ store }) => store.close());
  };
  const { part: _, ...settings } = first.store.settings;
  return {
    parts,
    of,
    missing,
    settings,
    indexedBy: first.store.indexedBy,
    path: parts.map(({ shown }) => shown).join(", "),
    record: () => first.store.record(),
    people: async () => joinPeople(await each(async ({ at, store }) => ids.ofPeople(at, await store.people()))),
    count: async () => (await each(({ store }) => store.count())).reduce((sum, count) => sum + count, 0),
    async names(people) {
      const all = await each(async ({ at, store }) => {
        const names = await store.names(ids.inPart(at, people));
        return [...names].map(([id, name]) => [ids.outside(at, id), name] as const);
      });
      return new Map(all.flat());
    },
    async ids(names) {
      const all = await each(async ({ at, store }) => {
        const own = names.filter((name) => partOfPerson(name, of) === at);
        return own.length === 0
          ? []
          : [...(await store.ids(own))].map(([name, id]) => [name, ids.outside(at, id)] as const);
      });
      return new Map(all.flat());
    },
    async faces(people) {
      const all = await each(async ({ at, store }) =>
        (await store.faces(people && ids.inPart(at, people))).map((face) => ({
          ...face,
          id: ids.outside(at, face.id),
          person: ids.outside(at, face.person),
        })),
      );
      return all.flat().toSorted((a, b) => a.id - b.id);
    },
    vectors: async (after) =>
      joinVectors(
        await each(async ({ at, store }) =>
          ids.ofVectors(at, await store.vectors(after === undefined ? undefined : Math.floor((after - at) / of))),
        ),
      ),
    read: async (chosen) =>
      joinVectors(await each(async ({ at, store }) => ids.ofVectors(at, await store.read(ids.chosenIn(at, chosen))))),
    async crop(face) {
      const at = face % of;
      const [id] = ids.inPart(at, [face]);
      const part = parts.find((each) => each.at === at);
      return part === undefined || id === undefined ? null : await part.store.crop(id);
    },
    // One change on each server.
    async addAll(people) {
      const places = people.map(({ person }) => partOfPerson(person, of));
      const added = new Array<number>(people.length).fill(0);
      for (const at of new Set(places)) {
        const own = [...places.keys()].filter((entry) => places[entry] === at);
        const some = own.map((entry) => itemAt(people, entry));
        const counts = await partFor(itemAt(some, 0).person).addAll(some);
        own.forEach((entry, place) => {
          added[entry] = itemAt(counts, place);
        });
      }
      return added;
    },
    add: async (person, faces) => await partFor(person).add(person, faces),
    remove: async (person) => await partFor(person).remove(person),
    forgetExpired: async (now) => joinRemovals(await each(({ store }) => store.forgetExpired(now))),
    async audit() {
      const all = await each(async ({ at, store }) =>
        (await store.audit()).map((entry) => ({
          ...entry,
          person: entry.person === null ? null : ids.outside(at, entry.person),
        })),
      );
      return all.flat().toSorted((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
    },
    async compact() {
      await each(({ store }) => store.compact());
    },
    async check() {
      const all = await each(async ({ at, shown, store }) => [
        ...(await store.check()),
        ...(await store.people()).flatMap(({ id, name }) => {
          const right = partOfPerson(name, of);
          return right === at ? [] : [`${shown}: person ${id} is on part ${at + 1} and belongs on part ${right + 1}`];
        }),
      ]);
      return all.flat();
    },
    async buildIndex(options) {
      await each(({ store }) => store.buildIndex(options));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
