import type { EmbeddingRecord } from "../../gallery/index.ts";

/** What a job does with the faces of a set; kept with it as JSON. */
export interface JobWork {
  /**
   * `embed`: embeddings into safetensors files. `quality`: scores into JSON lines. `align`:
   * aligned crops into folders. `enrol`: faces into a gallery. `migrate`: a gallery to another
   * model; its places are the ids of the enrolled faces, less one.
   */
  readonly kind: (typeof jobKinds)[number];
  /**
   * The set, as a worker's machine calls it; "" where a gallery has all pictures that are needed.
   */
  readonly data: string;
  /** SHA-256 of the set's list; a worker that sees another set refuses. */
  readonly fingerprint: string;
  readonly faces: number;
  readonly model?: string | undefined;
  readonly adapter?: string | undefined;
  /** SHA-256 of the model that the job was submitted with. */
  readonly sha256?: string | undefined;
  /** Measure of `quality`. */
  readonly metric?: string | undefined;
  /** Folder of the results. */
  readonly out?: string | undefined;
  /** Address of the gallery of `enrol` and `migrate`. */
  readonly gallery?: string | undefined;
  /** What `migrate` changes the gallery to. */
  readonly record?: EmbeddingRecord | undefined;
  /**
   * The gallery's count of changes when `migrate` was submitted: later it may go back, and here
   * again.
   */
  readonly version?: number | undefined;
}

/** Names of {@link JobWork.kind}. */
export const jobKinds = ["embed", "quality", "align", "enrol", "migrate"] as const;
