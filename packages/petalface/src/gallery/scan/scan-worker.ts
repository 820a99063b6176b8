import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { answerTasks } from "../../thread.ts";
import { type DotsExports, instantiateOn, type SharedMemory } from "./wasm.ts";

/** What a scanning thread is given when it starts. */
export interface ScanThread {
  readonly module: object;
  readonly memory: SharedMemory;
  /** Codes of a row. */
  readonly stride: number;
  /** Bytes of memory that are the thread's own: room for probes, then for products. */
  readonly scratch: number;
  readonly mostProbes: number;
  readonly rowsAtOnce: number;
}

/** Rows to multiply with probes. */
export interface ScanRequest {
  /** Where the codes start in memory, and where in the gallery the rows start and end. */
  readonly codes: number;
  readonly start: number;
  readonly end: number;
  /** `probes x stride` int16, at most `mostProbes`. */
  readonly probes: Int16Array;
  /** One factor a row, on shared memory, and one a probe. */
  readonly scale: Float32Array;
  readonly factors: readonly number[];
  /** `probes x rows of the gallery` on shared memory: each product times its factors. */
  readonly out: Float32Array;
}

/** Multiplies rows with probes. */
function scan(thread: ScanThread, { dots }: DotsExports, request: ScanRequest): void {
  const { memory, stride, scratch, mostProbes, rowsAtOnce } = thread;
  const { codes, start, end, probes, scale, factors, out } = request;
  const rows = scale.length;
  const n = factors.length;
  new Int16Array(memory.buffer, scratch, probes.length).set(probes);
  const place = scratch + 2 * mostProbes * stride;
  for (let first = start; first < end; first += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, end - first);
    dots(codes + first * stride, stride, count, scratch, n, place);
    const products = new Int32Array(memory.buffer, place, n * count);
    for (let probe = 0; probe < n; probe++) {
      const factor = factors[probe];
      const from = probe * count;
      const to = probe * rows + first;
      for (let row = 0; row < count; row++) out[to + row] = products[from + row] * scale[first + row] * factor;
    }
  }
}

function serve(port: MessagePort, thread: ScanThread): void {
  const exports = instantiateOn<DotsExports>(thread.module, thread.memory);
  answerTasks<ScanRequest, undefined>(port, (request) => {
    scan(thread, exports, request);
    return undefined;
  });
}

if (parentPort !== null) serve(parentPort, workerData as ScanThread);
