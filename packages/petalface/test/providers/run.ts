import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { deserialize, serialize } from "node:v8";
import { encodeModel, lower, type Tensor } from "onnx-grad";
import * as web from "onnxruntime-web";
import { openSession, type Provider } from "../../src/runtime/index.ts";
import type { Case } from "./families.ts";
import type { Traced } from "./trace.ts";

/** Results by name. */
export type Results = Readonly<Record<string, Tensor>>;

/** Runs a case on the CPU as training does. */
export async function onCpu({ graph, feeds }: Case): Promise<Results> {
  const session = await openSession(graph, { threads: 1, optimisation: "free" });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

/** Runs a case on onnxruntime-web's WebAssembly, in this process. */
export async function onWasm({ graph, feeds }: Case): Promise<Results> {
  web.env.wasm.numThreads = 1;
  const session = await web.InferenceSession.create(encodeModel(lower(graph, "wasm")), {
    executionProviders: ["wasm"],
    logSeverityLevel: 3,
  });
  try {
    const results = await session.run(
      Object.fromEntries(
        Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
          name,
          new web.Tensor(dtype as "float32", data as Float32Array, dims),
        ]),
      ),
    );
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, dims, data }]) => [name, { dtype: type, dims, data } as Tensor]),
    );
  } finally {
    await session.release();
  }
}

/** Runs all cases in one process with this environment and says where their nodes ran. */
export async function traceIn(
  env: Readonly<Record<string, string>>,
  provider: Provider,
  cases: readonly Case[],
): Promise<Traced[]> {
  const folder = await mkdtemp(join(tmpdir(), "petalface-trace-"));
  const file = join(folder, "cases");
  try {
    await writeFile(file, serialize(cases));
    const script = fileURLToPath(new URL("./trace.ts", import.meta.url));
    await promisify(execFile)(process.execPath, [script, provider, file], { env: { ...process.env, ...env } });
    return deserialize(await readFile(file)) as Traced[];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The largest difference of any number from the expected one, as a part of the largest number in
 * the same output (at least 1e-3). Infinite where an output is missing, has other dimensions or is
 * no number.
 */
export function distance(actual: Results, expected: Results): number {
  let worst = 0;
  for (const [name, { data, dims }] of Object.entries(expected)) {
    const other = actual[name];
    if (other === undefined || other.dims.join() !== dims.join()) return Number.POSITIVE_INFINITY;
    const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
    const scale = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    for (const [i, value] of numbers.entries()) {
      const apart = Math.abs(Number(other.data[i]) - value) / scale;
      if (!(apart <= worst)) worst = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    }
  }
  return worst;
}
