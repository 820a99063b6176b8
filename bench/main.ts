import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** The benchmarks by name, each a program of its own. */
const benchmarks: Readonly<Record<string, string>> = {
  align: "align/main.ts",
  base: "base/main.ts",
  bytes: "bytes/main.ts",
  consumers: "consumers/main.ts",
  copies: "copies/main.ts",
  crowd: "crowd/main.ts",
  data: "data/main.ts",
  embed: "step/main.ts",
  evaluate: "evaluate/main.ts",
  faces: "faces/main.ts",
  import: "import/main.ts",
  networks: "networks/main.ts",
  operators: "operators/main.ts",
  prefix: "prefix/main.ts",
  startup: "startup/main.ts",
  step: "step/main.ts",
  export: "export/main.ts",
  quality: "quality/main.ts",
  resolution: "resolution/main.ts",
  "quality-study": "quality-study/main.ts",
};

const [name = "", ...args] = process.argv.slice(2);
const program = benchmarks[name];
if (program === undefined) {
  console.error(`usage: npm run bench -- NAME [options]; NAME is one of ${Object.keys(benchmarks).join(", ")}`);
  process.exit(2);
}
// Read by onnxruntime when it starts, here and in the Python packages that are measured for comparison: nothing is sent.
process.env.ORT_DISABLE_TELEMETRY = "1";
const { status } = spawnSync(
  process.execPath,
  [join(import.meta.dirname, program), ...(program === "step/main.ts" ? [name] : []), ...args],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
