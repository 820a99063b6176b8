import { PetalfaceError } from "../errors.ts";
import { printPath } from "../print-path.ts";
import type { Candidate } from "./candidate.ts";

/** An index that people are added to. */
export interface NewIndex {
  /**
   * @param people ids; nobody twice
   * @param rows one embedding a person, of any length
   */
  add(people: Int32Array, rows: Float32Array, threads: number): void;
  /** Writes it to a file. */
  save(file: string): void;
}

/** An index that answers. */
export interface NearestPeople {
  /** The nearest people, nearest first, with cosines of rounded numbers; it may miss some. */
  search(unit: Float32Array, most: number): Candidate[];
}

/**
 * The graph (HNSW, arXiv 1603.09320): neighbours of a person, and people whom adding and searching
 * look at.
 */
const graph = { connectivity: 16, expansion_add: 64, expansion_search: 1024 };

/** The package, where it is installed: it is large, and only galleries of millions need it. */
async function loadUsearch(): Promise<typeof import("usearch")> {
  try {
    return await import("usearch");
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_PROGRAM_MISSING",
      "the index of a gallery's file needs the npm package usearch, which is not installed or has no build for this machine; npm install usearch, or search without 'index'",
      { cause },
    );
  }
}

/**
 * Returns a function that makes empty indexes for embeddings of `width` numbers, kept in 8 bits
 * each: signs alone found 88 % of easy faces among 10 million (bench/results/gallery-index.md).
 * usearch gives all rows the same length before it rounds them. So products, which take it two
 * thirds of the time of cosines, order them alike.
 */
async function indexMaker(width: number) {
  const { Index, MetricKind, ScalarKind } = await loadUsearch();
  const form = { metric: MetricKind.IP, quantization: ScalarKind.I8, multi: false };
  return () => new Index({ dimensions: width, ...form, ...graph });
}

/** The product that usearch calls a distance. */
const productOf = (distances: Float32Array, at: number): number => 1 - (distances[at] ?? 1);

/** Opens a {@link NewIndex}. Throws PetalfaceError where usearch is not installed. */
export async function newIndex(width: number): Promise<NewIndex> {
  const index = (await indexMaker(width))();
  return {
    add(people, rows, threads) {
      if (people.length > 0) index.add(BigUint64Array.from(people, BigInt), rows, threads);
    },
    save: (file) => index.save(file),
  };
}

/**
 * Opens the file of an index. It is mapped, not read: memory holds what searches touch.
 *
 * @param gallery for messages
 * @throws PetalfaceError where usearch is not installed, or the file is missing or damaged
 */
export async function openIndex(file: string, width: number, gallery: string): Promise<NearestPeople> {
  const make = await indexMaker(width);
  const index = make();
  try {
    index.view(file);
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${printPath(file)} cannot be read; build the index again with petalface gallery index ${printPath(gallery)}`,
      { cause },
    );
  }
  const size = index.size();
  return {
    search(unit, most) {
      const count = Math.min(most, size);
      if (count === 0) return [];
      const { keys, distances } = index.search(unit, count, 1);
      // The product of the rounded embedding and itself, which stands for a cosine of 1.
      const itself = make();
      itself.add(0n, unit, 1);
      const one = productOf(itself.search(unit, 1, 1).distances, 0) || 1;
      return [...keys].map((key, at) => ({ person: Number(key), cosine: productOf(distances, at) / one }));
    },
  };
}
