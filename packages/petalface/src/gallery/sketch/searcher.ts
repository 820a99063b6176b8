import { availableParallelism } from "node:os";
import { openThread, type Thread } from "../../thread.ts";
import type { Candidate } from "../candidate.ts";
import { pageBytes, type SharedMemory } from "../scan/wasm.ts";
import { type Sketches, sketchBits } from "./layout.ts";
import { sketcher } from "./project.ts";
import { type NearRows, openScan, type ScanPlace, type SketchRequest, scratchBytes } from "./scan.ts";
import { nearModule, refineModule } from "./wasm.ts";

/** An index that answers; close it after use. */
export interface NearestPeople extends AsyncDisposable {
  /** The nearest people, nearest first, with cosines that their signs say. It may miss some. */
  search(unit: Float32Array, most: number): Promise<Candidate[]>;
}

/** How {@link openNearestPeople} searches; for tests. */
export interface SketchThreads {
  /** Threads at most; as many as there are cores unless given. */
  readonly most?: number;
  /** People of a thread at least: of fewer, a search takes less time than starting one. */
  readonly least?: number;
}

/** The share of all people who are compared by all their signs, and how many they are at least. */
const kept = { share: 0.005, least: 4096 } as const;

/** Pages of memory for the scans of so many threads; the signs follow them. */
export const scratchPages = (threads: number): number => Math.ceil((threads * scratchBytes) / pageBytes);

/** People whose signs fit into memory of WebAssembly, with room for the scans of many threads. */
export const mostPeople = Math.floor((2 ** 32 - 2 ** 27) / (sketchBits / 8));

/** Threads for so many people. */
export const threadsFor = (
  count: number,
  { most = availableParallelism(), least = 100_000 }: SketchThreads = {},
): number => Math.max(1, Math.min(most, Math.floor(count / least)));

/**
 * Opens search among sketches, which lie in `memory` behind the pages for the scans. Threads start
 * with the first search.
 *
 * @param width of an embedding
 */
export function openNearestPeople(
  { count, people, heads, tails }: Sketches,
  width: number,
  memory: SharedMemory,
  threads: number,
): NearestPeople {
  const sketch = sketcher(width);
  const modules = { near: nearModule(), refine: refineModule() };
  const placeOf = (at: number): ScanPlace => ({ ...modules, memory, scratch: at * scratchBytes });
  const file = new URL(`./sketch-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const workers: (Thread<SketchRequest, NearRows> | undefined)[] = [];
  const threadAt = (at: number): Thread<SketchRequest, NearRows> => {
    const known = workers[at];
    if (known !== undefined) return known;
    const thread = openThread<SketchRequest, NearRows>(file, {
      name: "a thread of the search",
      workerData: placeOf(at),
    });
    workers[at] = thread;
    // It holds nothing of its own: the next search has another one in its place.
    void thread.lost.then(() => {
      if (workers[at] === thread) workers[at] = undefined;
    });
    return thread;
  };
  const here = threads === 1 ? openScan(placeOf(0)) : undefined;
  return {
    async search(unit, most) {
      const own = new Uint32Array(sketchBits / 32);
      sketch(unit, own, 0);
      const all = Math.max(kept.least, most, Math.ceil(kept.share * count));
      const requests = Array.from({ length: threads }, (_, at): SketchRequest => {
        const [start, end] = [Math.floor((at * count) / threads), Math.floor(((at + 1) * count) / threads)];
        return { heads, tails, start, end, sketch: own, kept: Math.ceil(all / threads), most };
      });
      const found =
        here === undefined
          ? await Promise.all(requests.map((request, at) => threadAt(at).ask(request)))
          : requests.map(here);
      return found
        .flatMap(({ rows, differing }) => [...rows].map((row, at) => ({ row, bits: differing[at] })))
        .sort((one, other) => one.bits - other.bits || one.row - other.row)
        .slice(0, most)
        .map(({ row, bits }) => ({ person: people[row], cosine: Math.cos((Math.PI * bits) / sketchBits) }));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker?.end()));
    },
  };
}
