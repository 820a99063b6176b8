import type { AcceptCurve } from "../matching/index.ts";
import type { EmbeddingRecord } from "./record.ts";
import type { SharedMemory } from "./scan/wasm.ts";

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
  /** Faces that the new model has embedded. */
  owners(): Promise<FaceOwners>;
  /** What the new model made of some of them. */
  read(chosen: ChosenFaces): Promise<EnrolledVectors>;
  /**
   * Makes the new model the one that is searched, and deletes what the old one made. Where another
   * process has done that already, there is nothing left to do.
   *
   * @returns false, and changes nothing, while faces are missing: somebody enrolled more meanwhile
   * @throws PetalfaceError where a later migration to another model has taken this one's place
   */
  finish(): Promise<boolean>;
}

/** A move to another model that is not finished. */
export interface BegunMigration extends Pick<Migration, "count"> {
  readonly record: EmbeddingRecord;
  /** What the new model has made so far, to be searched. */
  readonly made: MadeFaces;
}

/** The faces that one model has embedded. */
export interface MadeFaces {
  record(): Promise<EmbeddingRecord>;
  count(): Promise<number>;
  vectors(): Promise<EnrolledVectors>;
  /** With 8 bits a number; see `GalleryStore.codes`. */
  codes(memory?: SharedMemory): Promise<FaceCodes>;
  read(chosen: ChosenFaces): Promise<EnrolledVectors>;
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

/** Faces by their ids, ascending, and the id of each one's person. */
export interface FaceOwners {
  readonly faces: Int32Array;
  readonly people: Int32Array;
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
  /** Where `petalface threshold` has measured them. */
  readonly measured?: MeasuredThresholds | undefined;
}

/** What thresholds were measured with. */
export interface MeasuredThresholds {
  /** Rate at which two faces of two people are accepted. */
  readonly far: number;
  readonly data: string;
  /** SHA-256 of the frozen model, and hash of the adapter. */
  readonly model: string;
  readonly adapter: string | null;
}

/** One range of alpha. The first row of a table counts that has an alpha. */
export interface ThresholdRow {
  /** From (inclusive) and to (exclusive, but for 1). */
  readonly alpha: readonly [from: number, to: number];
  /** Null: the rate cannot be held for faces of this quality. */
  readonly cosine: number | null;
  /** How often impostors reach other cosines, where that was measured. */
  readonly rates?: MeasuredRates | undefined;
}

/** How often impostors reach a cosine, by faces of one range of alpha. */
export interface MeasuredRates {
  /**
   * Of what: `searches` for a stranger among all people of the gallery, or `comparisons` of two
   * faces of two people.
   */
  readonly of: "searches" | "comparisons";
  /** The highest of them counts. */
  readonly curves: readonly AcceptCurve[];
}
