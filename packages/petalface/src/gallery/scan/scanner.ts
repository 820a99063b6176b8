import { openThread, type Thread } from "../../thread.ts";
import { strideOf } from "../codes.ts";
import type { CodedRows } from "../types.ts";
import type { ScanRequest, ScanThread } from "./scan-worker.ts";
import { dotsModule, pageBytes, type SharedMemory, sharedMemory } from "./wasm.ts";

/** Multiplies all coded rows with probes, on several threads; close it after use. */
export interface Scanner extends AsyncDisposable {
  /** Memory that is scanned; `allocateIn` makes room for codes in it. */
  readonly memory: SharedMemory;
  /**
   * Products of rows and probes.
   *
   * @param rows whose codes are in {@link memory}
   * @param probes unit rows, at most {@link mostProbes}
   * @returns `probes x rows`; the array is used again by the next scan into the same `slot`
   */
  scan(rows: CodedRows, probes: Float32Array, slot: number): Promise<Float32Array>;
  /**
   * By how much a product may be wrong because the probe was rounded, for rows of length `length`.
   */
  readonly probeError: number;
}

/** Probes of one scan. */
export const mostProbes = 8;
/**
 * Rows whose products are kept before they become floats: 32 KiB a probe stay in the first caches.
 */
const rowsAtOnce = 2048;

/**
 * Largest code of a probe: a sum of products of `width` codes must fit into 31 bits, and each into
 * 16.
 */
const largestProbeCode = (width: number): number => Math.min(32_767, Math.floor((2 ** 31 - 1) / (127 * width)));

/** Opens a {@link Scanner}. */
export function openScanner(width: number, threads: number): Scanner {
  const stride = strideOf(width);
  const scratchBytes = Math.ceil((mostProbes * (2 * stride + 4 * rowsAtOnce)) / pageBytes) * pageBytes;
  const memory = sharedMemory((threads * scratchBytes) / pageBytes);
  const module = dotsModule();
  const file = new URL(`./scan-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  let workers: Thread<ScanRequest, undefined>[] = [];
  const outputs = new Map<number, Float32Array>();
  const shared = new WeakMap<Float32Array, Float32Array>();

  const start = (at: number): Thread<ScanRequest, undefined> => {
    const workerData: ScanThread = {
      ...{ module, memory, stride, scratch: at * scratchBytes, mostProbes, rowsAtOnce },
    };
    const thread = openThread<ScanRequest, undefined>(file, { name: "a thread of the search", workerData });
    // It holds nothing of its own: the next search has another one in its place.
    void thread.lost.then(() => {
      if (workers[at] === thread) workers[at] = start(at);
    });
    return thread;
  };

  const outputOf = (slot: number, length: number): Float32Array => {
    const found = outputs.get(slot);
    if (found !== undefined && found.length >= length) return found.subarray(0, length);
    const made = new Float32Array(new SharedArrayBuffer(4 * length));
    outputs.set(slot, made);
    return made;
  };

  const sharedScale = (scale: Float32Array): Float32Array => {
    if (scale.buffer instanceof SharedArrayBuffer) return scale;
    const found = shared.get(scale);
    if (found !== undefined) return found;
    const made = new Float32Array(new SharedArrayBuffer(scale.byteLength));
    made.set(scale);
    shared.set(scale, made);
    return made;
  };

  return {
    probeError: Math.sqrt(width) / (2 * largestProbeCode(width)),
    memory,
    async scan(rows, probes, slot) {
      const n = probes.length / width;
      const count = rows.scale.length;
      const out = outputOf(slot, n * count);
      const codes = new Int16Array(n * stride);
      const factors = Array.from({ length: n }, (_, probe) => {
        const own = probes.subarray(probe * width, (probe + 1) * width);
        const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const scale = largest / largestProbeCode(width);
        if (scale > 0)
          own.forEach((value, at) => {
            codes[probe * stride + at] = Math.round(value / scale);
          });
        return scale;
      });
      if (workers.length === 0) workers = Array.from({ length: threads }, (_, at) => start(at));
      const part = Math.ceil(count / workers.length / rowsAtOnce) * rowsAtOnce;
      const scale = sharedScale(rows.scale);
      // All end before an error is thrown: none may still write where the next search does.
      const done = await Promise.allSettled(
        workers.map(async (worker, at) => {
          const request: ScanRequest = {
            ...{ codes: rows.codes.byteOffset, start: at * part, end: Math.min(count, (at + 1) * part) },
            ...{ probes: codes, scale, factors, out },
          };
          if (request.start >= request.end) return;
          await worker.ask(request);
        }),
      );
      for (const one of done) if (one.status === "rejected") throw one.reason;
      return out;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.end()));
    },
  };
}
