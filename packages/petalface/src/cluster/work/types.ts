/** What a job does with the faces of a set; kept with it as JSON. */
export interface JobWork {
  /**
   * `embed`: embeddings into safetensors files. `quality`: scores into JSON lines. `align`:
   * aligned crops into folders. `enrol`: faces into a gallery.
   */
  readonly kind: (typeof jobKinds)[number];
  /** The set, as a worker's machine calls it. */
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
  /** Address of the gallery of `enrol`. */
  readonly gallery?: string | undefined;
}

/** Names of {@link JobWork.kind}. */
export const jobKinds = ["embed", "quality", "align", "enrol"] as const;
