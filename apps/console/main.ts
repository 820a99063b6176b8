import { fileURLToPath } from "node:url";
import { buildConsole } from "./build.ts";

// Part of the package: petalface's own build has made the folder before.
await buildConsole(fileURLToPath(new URL("../../packages/petalface/dist/page", import.meta.url)));
