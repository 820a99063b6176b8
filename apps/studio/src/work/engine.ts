import * as ort from "onnxruntime-web/webgpu";

/** Where the engine computes. */
export type Provider = "webgpu" | "wasm";

/** A float32 tensor by name. */
export interface Floats {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Runs one graph. */
export type Run = (feeds: Readonly<Record<string, Floats>>) => Promise<Record<string, Float32Array>>;

/** Threads that wasm may use; more do not help networks of this size. */
const mostThreads = 4;

/** Tells onnxruntime where its files are. `base` is the page's folder. */
export function setUpEngine(base: string): void {
  ort.env.wasm.wasmPaths = new URL("ort/", base).href;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated
    ? Math.min(mostThreads, Math.max(1, navigator.hardwareConcurrency))
    : 1;
  ort.env.logLevel = "error";
}

/** Whether there is a WebGPU device; asked for, not guessed from the browser's name. */
export async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  return (await gpu?.requestAdapter().catch(() => null)) != null;
}

/** A graph loaded in onnxruntime-web. */
export interface OpenRun {
  readonly run: Run;
  close(): Promise<void>;
}

/** The output of this name. Throws if the graph has none. */
export function outputOf(outputs: Readonly<Record<string, Float32Array>>, name: string): Float32Array {
  const values = outputs[name];
  if (values === undefined) throw new Error(`the graph has no output "${name}"`);
  return values;
}

/** Loads a model from its bytes. */
export async function openRun(bytes: Uint8Array, provider: Provider): Promise<OpenRun> {
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: [provider],
    // Beyond `extended` memory layouts are chosen for each graph, and equal functions no longer
    // have equal bits.
    graphOptimizationLevel: "extended",
  });
  return {
    close: () => session.release(),
    async run(feeds) {
      const inputs = Object.entries(feeds).map(
        ([name, { data, dims }]) => [name, new ort.Tensor("float32", data, dims)] as const,
      );
      const outputs = await session.run(Object.fromEntries(inputs));
      return Object.fromEntries(
        Object.entries(outputs).map(([name, { data }]) => {
          if (!(data instanceof Float32Array)) throw new Error(`output "${name}" is not of float32`);
          return [name, data.slice()];
        }),
      );
    },
  };
}
