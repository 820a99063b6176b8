import type { Preprocessing } from "../models/index.ts";

/** Products and programs that run face recognisers, for which {@link Contract}s are known. */
export const targetNames = [
  "insightface",
  "immich",
  "frigate",
  "uniface",
  "deepface",
  "insightface-rest",
  "opencv",
  "triton",
  "deepstream",
  "rknn",
  "hailo",
  "tflite",
] as const;

/** One of {@link targetNames}. */
export type TargetName = (typeof targetNames)[number];

/** Where a contract was read: paths in a public repository, or a manual. */
export interface Source {
  readonly from: string;
  readonly paths: readonly string[];
}

/** What a program requires of a recogniser's file, and what its user does with it. */
export interface Contract {
  readonly name: TargetName;
  /** What it is, and the versions that this was read from. */
  readonly about: string;
  readonly sources: readonly Source[];
  /** Name of the input; the model's own unless given. */
  readonly input?: string;
  /** Images in a batch: a number, or the name of an open batch. */
  readonly batch: number | string;
  /** The side of the faces that it feeds, in pixels; any unless given. */
  readonly size?: number;
  /** How it feeds pixels. */
  readonly feeding: Preprocessing;
  /**
   * Whether it takes the network for one that wants pixels as they are when the name of one of the
   * first eight nodes begins with `Sub` (or `_minus`) and that of another with `Mul` (or `_mul`),
   * and feeds it as `feeding` says otherwise.
   */
  readonly readsNodeNames?: boolean;
  /** The newest operator set that it reads; any unless given. */
  readonly opset?: number;
  /** Whether it takes only operators of standard ONNX. */
  readonly standardOnly?: boolean;
  /**
   * Whether the network must be merged at one alpha, because its converter has no use for the gate.
   */
  readonly merged?: boolean;
  /** Whether it runs a file of levels, which has an `If` for each. */
  readonly levels?: boolean;
  /** The file or files below the folder given, and in what folder they belong. */
  readonly layout: Layout;
  /** What to do next, one step a line. */
  readonly next: readonly string[];
  /** Where it keeps what it knows of enrolled people. */
  readonly enrolled: Enrolled;
  /** Of the threshold that its users set. */
  readonly threshold?: ThresholdUnit;
}

/**
 * How a product states a threshold: the cosine, the distance `1 - cosine`, the distance of unit
 * vectors, or Frigate's score, a sigmoid of the cosine.
 */
export type ThresholdUnit = "cosine" | "cosine distance" | "euclidean distance" | "frigate score";

/** Paths below the folder that `--out` names. */
export interface Layout {
  readonly model: string;
  /** Where a detector goes that the user gives; undefined where the product brings its own. */
  readonly detector?: string;
  /** A file that describes the model to the product. */
  readonly description?: { readonly path: string; readonly kind: "triton" | "deepstream" };
  /** The folder of the product that `--out` is or becomes. */
  readonly belongs: string;
}

/**
 * `photos`: it embeds stored photos at every start. `embeddings`: it stores embeddings. `yours`: a
 * program of the user does.
 */
export type Enrolled = "photos" | "embeddings" | "yours";
