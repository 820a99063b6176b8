/** A model that takes the quality of each face as an input. */
export interface ExternalScores {
  /** Input that takes the scores, `[N]`. */
  readonly input: string;
  /** The score of degraded copies, which have no external score; undefined where there is none. */
  readonly degraded: number | undefined;
}

/** Embeddings of a batch of faces. */
export interface Embeddings {
  /** How many faces. */
  readonly count: number;
  /** Length of one embedding. */
  readonly width: number;
  /**
   * `count x width`, row-major, as the network gives them (not normalised). A row may hold NaN or
   * Infinity: see {@link rowsNotFinite}.
   */
  readonly data: Float32Array;
  /** Alpha of each face in [0, 1], where the model is an adapted one. */
  readonly alpha?: Float32Array | undefined;
}

/** A loaded model that turns faces into embeddings; frozen or adapted. */
export interface Embedder {
  /** Side in pixels of the square input. */
  readonly size: number;
  /** Length of one embedding. */
  readonly width: number;
  /**
   * `pixels`: `count` faces as 8-bit RGB planes, `count x 3 x size x size`. Any count from 1 up to
   * {@link batch}. `scores`: the quality of each, where {@link scores} asks for it.
   */
  embed(pixels: Uint8Array, count: number, scores?: Float32Array): Promise<Embeddings>;
  /** How the model takes the quality of faces, where it does not compute it. */
  readonly scores?: ExternalScores | undefined;
  /** The largest count that one call takes; the fastest too. */
  readonly batch: number;
  close(): Promise<void>;
}
