import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/basics.ts"],
  platform: "neutral",
  target: "es2023",
  fixedExtension: false,
  dts: true,
});
