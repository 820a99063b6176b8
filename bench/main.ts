/**
 * `npm run bench -- NAME [options]`: runs the benchmark that `bench/NAME/main.ts` defines;
 * bench/README.md lists them.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Benchmark, runBenchmark } from "./skeleton/benchmark.ts";
import { UsageError } from "./skeleton/usage-error.ts";

const [name = "", ...args] = process.argv.slice(2);
const names = readdirSync(import.meta.dirname).filter((folder) =>
  existsSync(join(import.meta.dirname, folder, "main.ts")),
);
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [options]; NAME is one of ${names.join(", ")}`);
  process.exit(2);
}
// Read by onnxruntime when it starts, here and in the Python packages that are measured for
// comparison: nothing is sent.
process.env.ORT_DISABLE_TELEMETRY = "1";
const { default: benchmark } = (await import(`./${name}/main.ts`)) as { readonly default: Benchmark };
try {
  await runBenchmark(benchmark, args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${name}: ${error.message}`);
  process.exit(2);
}
process.exit(process.exitCode ?? 0);
