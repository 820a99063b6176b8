import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/basics.ts"],
  platform: "neutral",
  target: "es2023",
  fixedExtension: false,
  // Declarations of the sources alone: the repository's project has every test as well.
  tsconfig: "tsconfig.build.json",
  dts: true,
});
