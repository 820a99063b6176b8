import { defineConfig } from "tsdown";

// One output file per source file: workers and assets are found by paths relative to the module
// that uses them, and those stay the same in src/ and dist/.
export default defineConfig({
  entry: ["src/index.ts", "src/*/index.ts", "src/portable.ts", "src/cli/main.ts", "src/**/*worker.ts"],
  unbundle: true,
  platform: "node",
  target: "node20",
  fixedExtension: false,
  dts: true,
});
