/** A face of another product's database. */
export interface ForeignFace {
  /** As the product calls it; plain enough for the name of a file. */
  readonly id: string;
  readonly person: string;
  /** As the model gave it. */
  readonly vector: Float32Array;
  /** Which model made the embedding, as the product calls it. */
  readonly model: string;
  /** The picture's file; null where the product did not keep it. */
  readonly picture: Uint8Array | null;
  /** Width / height of the picture's content, where the product stretched it to a square. */
  readonly aspect?: number | undefined;
}

/** How many faces of another product there are of one kind. */
export interface ForeignCount {
  readonly name: string;
  readonly faces: number;
  /** Faces of which there is a picture. */
  readonly pictures: number;
}

/** The enrolled faces of another product, read from its database; close it after use. */
export interface ForeignFaces extends AsyncDisposable {
  readonly product: "CompreFace" | "InsightFace Server";
  /** Whether pictures are the photos that were enrolled, and not what was cut out of them. */
  readonly wholePhotos: boolean;
  /** What the product calls its separate sets of people. */
  readonly collections: readonly ForeignCount[];
  /** Models that made the embeddings of a collection, by their names. */
  models(collection: string): ForeignCount[];
  /** Faces of a collection, person by person. */
  faces(collection: string): Iterable<ForeignFace>;
}
