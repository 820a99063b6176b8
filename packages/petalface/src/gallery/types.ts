import type { EmbeddingRecord } from "./space.ts";

/** What a model makes of one face. */
export interface FaceEmbedding {
  /** As the model gives it, not normalised. */
  readonly vector: Float32Array;
  /** Sum of the unit embeddings of the face's low-resolution copies; zeros where there are none. */
  readonly copies: Float32Array;
  /** Quality in [0, 1]; 1 where nothing judges it. */
  readonly alpha: number;
  /** Score of the quality measure, in its own unit; null where there is none. */
  readonly score: number | null;
}

/** A face to enrol. */
export interface NewFace extends FaceEmbedding {
  /** 16 bytes of a hash of the picture's file: the same picture is enrolled once a person. */
  readonly source: Uint8Array;
  /** 32 bytes: perceptual hash, near for near copies. */
  readonly picture: Uint8Array;
  /** The picture's file, where the gallery keeps crops. */
  readonly crop?: Uint8Array | undefined;
  /** When it was enrolled, ISO 8601 in UTC; now unless given. */
  readonly added?: string | undefined;
  /** Until when it may be kept, ISO 8601 in UTC; without a date it stays until it is removed. */
  readonly keepUntil?: string | undefined;
}

/** Faces to enrol of one person. */
export interface FacesOfPerson {
  readonly person: string;
  readonly faces: readonly NewFace[];
}

/** An enrolled face with everything that belongs to it. */
export interface WholeFace extends NewFace {
  readonly id: number;
  /** Name of the person. */
  readonly person: string;
}

/** A face that is to be embedded by another model. */
export interface MigratingFace {
  readonly id: number;
  readonly source: Uint8Array;
  readonly crop: Uint8Array | null;
  /** What the model that is searched now made of it. */
  readonly old: FaceEmbedding;
}

/**
 * A gallery on its way to another model. The old one is searched until {@link finish}. What was put
 * stays after a crash, and the next migration to the same model continues there.
 */
export interface Migration {
  /** Faces that the new model has not embedded yet. */
  count(): Promise<number>;
  /** Some of them, with ids above `after`, ascending. */
  missing(after: number, most: number): Promise<MigratingFace[]>;
  put(faces: readonly { readonly id: number; readonly embedding: FaceEmbedding }[]): Promise<void>;
  /** What the new model made so far. */
  vectors(): Promise<EnrolledVectors>;
  /**
   * Makes the new model the one that is searched, and deletes what the old one made. Where another
   * process has done that already, there is nothing left to do.
   *
   * @returns false, and changes nothing, while faces are missing: somebody enrolled more meanwhile
   * @throws PetalfaceError where a later migration to another model has taken this one's place
   */
  finish(): Promise<boolean>;
}

/** An enrolled person. */
export interface Person {
  readonly id: number;
  readonly name: string;
  readonly faces: number;
  /** Lowest alpha of the faces. */
  readonly lowestAlpha: number;
  /** When the person was enrolled, ISO 8601 in UTC. */
  readonly added: string;
}

/** An enrolled face, without its embedding. */
export interface EnrolledFace {
  readonly id: number;
  readonly person: number;
  readonly source: Uint8Array;
  readonly picture: Uint8Array;
  readonly hasCrop: boolean;
  /** Until when it may be kept, ISO 8601 in UTC; null: until it is removed. */
  readonly keepUntil: string | null;
}

/** Faces of a gallery: chosen ones, or all of chosen people, by their ids. */
export type ChosenFaces = { readonly faces: ArrayLike<number> } | { readonly people: ArrayLike<number> };

/** All embeddings of a gallery, in the order of face ids. */
export interface EnrolledVectors {
  readonly width: number;
  /** Ids. */
  readonly faces: Int32Array;
  /** Ids of the persons, one a face. */
  readonly people: Int32Array;
  /** `faces x width`, as the model gave them. */
  readonly vectors: Float32Array;
  readonly copies: Float32Array;
  readonly alpha: Float32Array;
  readonly score: Float64Array;
}

/**
 * Rows of numbers in 8 bits: number `at` of row `row` is near
 * `scale[row] * codes[row * stride + at]`.
 */
export interface CodedRows {
  readonly codes: Int8Array;
  readonly scale: Float32Array;
  /** Length of what rounding took from each row. */
  readonly error: Float32Array;
}

/** Faces in 8 bits, in the order of their ids. */
export interface FaceCodes {
  /** Numbers of an embedding. */
  readonly width: number;
  /** Codes of a row: the width, rounded up to a multiple of 16; the rest are zeros. */
  readonly stride: number;
  readonly count: number;
  /** Ids of faces and of their people. */
  readonly faces: Int32Array;
  readonly people: Int32Array;
  readonly alpha: Float32Array;
  /** Unit embeddings. */
  readonly sharp: CodedRows;
  /** Sums of the unit embeddings of the low-resolution copies; null where no face has any. */
  readonly copies: CodedRows | null;
  /**
   * Of each face the product of its unit embedding with its copies, and the square of the copies'
   * length.
   */
  readonly mixed: Float32Array;
  readonly squares: Float32Array;
}

/** Which part of a gallery on several servers this one is. */
export interface PartSettings {
  /** The same in all parts of a gallery, and in no other's. */
  readonly set: string;
  /** Number of this part, from 0, and of all parts. */
  readonly at: number;
  readonly of: number;
}

/** What a gallery is asked to do with its faces; set when it is made. */
export interface GallerySettings {
  /** Sides in pixels of the low-resolution copies that are enrolled with each face; none: []. */
  readonly copies: readonly number[];
  /** Whether the picture's file is kept, so that another model can be used later. */
  readonly keepCrops: boolean;
  /** Thresholds by alpha; null: estimated from the gallery at each search. */
  readonly thresholds: ThresholdTable | null;
  /** Where the gallery is a part of one on several servers. */
  readonly part?: PartSettings | undefined;
}

/** From which cosine on two faces are one person's, by the quality of the probe. */
export interface ThresholdTable {
  /** False-positive identification rate that the thresholds hold, where that is known. */
  readonly rate?: number | undefined;
  readonly rows: readonly ThresholdRow[];
}

/** One range of alpha. */
export interface ThresholdRow {
  /** From (inclusive) and to (exclusive, but for 1). */
  readonly alpha: readonly [from: number, to: number];
  /** Null: the rate cannot be held for faces of this quality. */
  readonly cosine: number | null;
}

/** One entry of the audit log: no name, no vector, no name of a file. */
export interface AuditEntry {
  readonly time: string;
  readonly action: string;
  /** Id of the person, where it was about one. */
  readonly person: number | null;
  readonly faces: number;
}

/** How an index is built; PostgreSQL chooses the threads itself. */
export interface IndexOptions {
  /** 1 unless given. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How many faces are in it so far. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** What was deleted, and whether it is gone. */
export interface Removal {
  readonly faces: number;
  /** People who are gone. */
  readonly people: number;
  /** Fragments of the deleted vectors, crops and the name that were looked for in the files. */
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
  readonly indexedBy: "usearch" | "pgvector";
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
   * @param allocate where the codes go; ordinary memory unless given
   */
  codes(allocate?: (bytes: number) => Int8Array): Promise<FaceCodes>;
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
   * Ids of the people of the `most` nearest faces, or of the nearest low-resolution copies, as an
   * index finds them, nearest first; it may miss some.
   *
   * @param unit of length 1
   * @throws PetalfaceError where no index is built
   */
  nearest(unit: Float32Array, what: "faces" | "copies", most: number): Promise<number[]>;
  /** Builds the index that {@link nearest} asks. */
  buildIndex(options?: IndexOptions): Promise<void>;
  audit(): Promise<AuditEntry[]>;
  /** Writes the file again without what was deleted, and empties its log. */
  compact(): Promise<void>;
  /** One line for each thing that is wrong; none where all is well. */
  check(): Promise<string[]>;
  close(): Promise<void>;
}
