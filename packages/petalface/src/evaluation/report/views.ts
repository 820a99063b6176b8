import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { normaliseRows } from "../../matching/index.ts";
import { random } from "../../random.ts";

/** Some faces, embedded by one model. */
export interface ViewedFaces {
  /** Name of the model. */
  readonly name: string;
  readonly width: number;
  /** One row a face, as the network gives it. */
  readonly data: Float32Array;
}

/** Faces to look at: what each model makes of the same ones. */
export interface EmbeddingView {
  readonly people: readonly string[];
  /**
   * Of each face: its person, as an index into {@link people}, and how it was shown; null is sharp.
   */
  readonly person: readonly number[];
  readonly degradation: readonly (string | null)[];
  readonly models: readonly ViewedFaces[];
}

/** Neighbours that UMAP keeps together; its own default. */
const neighbours = 15;

/**
 * Places embeddings in the plane so that neighbours stay neighbours (UMAP, McInnes et al. 2018, on
 * cosine distance). Distances between groups and the axes mean nothing. Same rows and seed: same
 * places.
 *
 * @returns x and y of each row
 */
export async function placeInPlane(
  data: Float32Array,
  width: number,
  seed = 1,
): Promise<readonly (readonly [number, number])[]> {
  const rows = normaliseRows(data, width);
  const count = rows.length / width;
  if (count < 4) throw new PetalfaceError("PETAL_ARGUMENT_INVALID", `a map needs at least 4 faces, not ${count}`);
  // Only maps need it, and it takes its time to load.
  const { UMAP } = await import("umap-js");
  const next = random("umap", seed);
  const distance = (a: number[], b: number[]): number => 1 - a.reduce((sum, x, k) => sum + x * itemAt(b, k), 0);
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: Math.min(neighbours, count - 1),
    minDist: 0.15,
    random: next.uniform,
    distanceFn: distance,
  });
  const places = umap.fit(
    Array.from({ length: count }, (_, row) => [...rows.subarray(row * width, (row + 1) * width)]),
  );
  return places.map(([x, y]) => [x ?? 0, y ?? 0] as const);
}

/** Cosines of every pair of some rows: `similarities[p][g]`. */
export function similarityTable(
  { data, width }: ViewedFaces,
  probes: readonly number[],
  gallery: readonly number[],
): readonly (readonly number[])[] {
  const rows = normaliseRows(data, width);
  const row = (index: number): Float32Array => rows.subarray(index * width, (index + 1) * width);
  return probes.map((probe) =>
    gallery.map((face) => row(probe).reduce((sum, x, k) => sum + x * itemAt(row(face), k), 0)),
  );
}
