import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "tsdown";

const sources = fileURLToPath(new URL("./src", import.meta.url));
const common = {
  platform: "node",
  target: "node20",
  fixedExtension: false,
  // Declarations of the sources alone: the repository's project has every test as well.
  tsconfig: "tsconfig.build.json",
} as const;

/**
 * Modules of the command line's files find workers, assets and the manifest where those of the
 * library do: at the place in dist/ that their source has in src/.
 */
function keepPlaces(code: string, id: string): string | undefined {
  if (!code.includes("import.meta.url")) return undefined;
  const place = relative(sources, id).replaceAll("\\", "/").replace(/ts$/, "js");
  if (place.startsWith("..")) return undefined;
  return code.replaceAll("import.meta.url", `new URL(${JSON.stringify(`../${place}`)}, import.meta.url).href`);
}

export default defineConfig([
  // The library has one file per source file: workers and assets are found by paths relative to
  // the module that uses them, and those stay the same in src/ and dist/.
  {
    ...common,
    entry: ["src/index.ts", "src/*/index.ts", "src/portable.ts", "src/**/*worker.ts"],
    unbundle: true,
    dts: true,
  },
  // The command line has a few: finding and loading hundreds takes longer than most commands.
  {
    ...common,
    entry: { main: "src/cli/main.ts" },
    outDir: "dist/cli",
    dts: false,
    plugins: [{ name: "places-of-sources", transform: keepPlaces }],
  },
]);
