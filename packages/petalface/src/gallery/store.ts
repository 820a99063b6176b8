import type { Candidate } from "./candidate.ts";
import type { EmbeddingRecord } from "./record.ts";
import type { SharedMemory } from "./scan/wasm.ts";
import type {
  BegunMigration,
  ChosenFaces,
  EnrolledFace,
  EnrolledVectors,
  FaceCodes,
  FacesOfPerson,
  GallerySettings,
  Migration,
  NewFace,
  Person,
  WholeFace,
} from "./types.ts";

/** One entry of the audit log: no name, no vector, no name of a file. */
export interface AuditEntry {
  readonly time: string;
  readonly action: string;
  /** Id of the person, where it was about one. */
  readonly person: number | null;
  readonly faces: number;
}

/** How an index is built. */
export interface IndexOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many faces are in it so far. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** What was deleted, and whether it is gone. */
export interface Removal {
  readonly faces: number;
  /** People who are gone. */
  readonly people: number;
  /** Fragments of deleted vectors, of their 8-bit codes and of crops that were looked for. */
  readonly fragments: number;
  /** Fragments that were found. More than 0: another process reads an older state. */
  readonly found: number;
}

/**
 * Where a gallery is kept. All methods are atomic: what a resolved promise acknowledged is there
 * after a crash, and what was rejected is not. Several processes may read while one writes.
 */
export interface GalleryStore extends AsyncDisposable {
  readonly path: string;
  /** Whose index {@link nearest} asks. */
  readonly indexedBy: "sketches" | "pgvector";
  readonly settings: GallerySettings;
  /** How the faces were embedded that are searched now. */
  record(): Promise<EmbeddingRecord>;
  /**
   * A number that grows by one with each change of faces, names or the searched model, also by
   * another process: whoever keeps faces in memory knows by it whether they are still those.
   */
  version(): Promise<number>;
  people(): Promise<Person[]>;
  /** How many faces it has. */
  count(): Promise<number>;
  /** How many people it has. */
  countPeople(): Promise<number>;
  /** The highest id of a face; 0 where there is none. */
  lastFace(): Promise<number>;
  /** Names of some people by their ids; unknown ids are not among them. */
  names(people: ArrayLike<number>): Promise<Map<number, string>>;
  /** Ids of people by their names; unknown names are not among them. */
  ids(names: readonly string[]): Promise<Map<string, number>>;
  /** @param people ids of those whose faces are wanted; everybody's unless given */
  faces(people?: ArrayLike<number>): Promise<EnrolledFace[]>;
  /** @param after only faces with ids above this; all unless given */
  vectors(after?: number): Promise<EnrolledVectors>;
  /** Embeddings of some faces, in the order of face ids; unknown ids are passed over. */
  read(chosen: ChosenFaces): Promise<EnrolledVectors>;
  /**
   * All faces with 8 bits a number, for search in large galleries.
   *
   * @param memory where the codes go, behind what is there; ordinary memory unless given
   */
  codes(memory?: SharedMemory): Promise<FaceCodes>;
  /** The picture that is kept of a face; null where none is. */
  crop(face: number): Promise<Uint8Array | null>;
  /**
   * Enrols faces of one person. A picture that the person has already is passed over.
   *
   * @returns how many were new
   */
  add(person: string, faces: readonly NewFace[]): Promise<number>;
  /**
   * Enrols faces of several people as one change: all of them are acknowledged together, which is
   * faster than one after the other.
   *
   * @returns how many were new, one number an entry
   */
  addAll(people: readonly FacesOfPerson[]): Promise<number[]>;
  /**
   * All faces with everything that belongs to them, in the order of ids; what is added meanwhile is
   * not among them.
   */
  whole(): AsyncIterable<WholeFace>;
  /** Begins, or continues, to move to another model. */
  migrate(record: EmbeddingRecord): Promise<Migration>;
  /** A move to another model that was begun and is not finished; undefined where there is none. */
  begunMigration(): Promise<BegunMigration | undefined>;
  /**
   * Deletes a person with all that belongs to it. Throws PetalfaceError where no person has that
   * name.
   */
  remove(person: string): Promise<Removal>;
  /**
   * Deletes all faces whose `keepUntil` is before a date, as {@link remove} does, and people who
   * have no other faces.
   *
   * @param now ISO 8601 in UTC
   */
  forgetExpired(now: string): Promise<Removal>;
  /**
   * Deletes faces of a person, and the person with the last one. Throws PetalfaceError where no
   * person has that name. Ids of other people's faces, or of none, are passed over.
   */
  removeFaces(person: string, faces: readonly number[]): Promise<Removal>;
  /**
   * Gives a person another name. Where somebody has that name, both become one person; of pictures
   * that both have, one stays.
   *
   * @returns whether two people became one
   * @throws PetalfaceError where no person has the old name
   */
  rename(person: string, name: string): Promise<boolean>;
  /**
   * The people of the `most` nearest entries of an index, nearest first, with cosines of rounded
   * numbers; it may miss some. Entries are the faces, or their low-resolution copies (pgvector), or
   * of each person the mean of these (sketches).
   *
   * @param unit of length 1
   * @throws PetalfaceError where no index is built
   */
  nearest(unit: Float32Array, what: "faces" | "copies", most: number): Promise<Candidate[]>;
  /** Builds the index that {@link nearest} asks. */
  buildIndex(options?: IndexOptions): Promise<void>;
  audit(): Promise<AuditEntry[]>;
  /** Writes the file again without what was deleted, and empties its log. */
  compact(): Promise<void>;
  /** One line for each thing that is wrong; none where all is well. */
  check(): Promise<string[]>;
  close(): Promise<void>;
}

/** What searching needs of a gallery. */
export type SearchedStore = Pick<GalleryStore, "record" | "count" | "vectors" | "codes" | "read">;

/** What a server asks of a gallery. */
export type ServedStore = SearchedStore &
  Pick<GalleryStore, "path" | "settings" | "version" | "people" | "names" | "ids" | "faces" | "crop"> &
  Pick<GalleryStore, "addAll" | "remove" | "removeFaces" | "rename" | "close" | typeof Symbol.asyncDispose>;
