#!/usr/bin/env node
// Starts the TypeScript sources of a checkout; the published package starts its built files instead. Plain JavaScript, so that
// an old Node gets a sentence and not "Unknown file extension".
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > 22 || (major === 22 && minor >= 18)) await import("../src/cli/main.ts");
else {
  console.error(
    `petalface: running from the sources needs Node 22.18 or newer, and this is ${process.versions.node}: use \`npm run petalface -- ARGUMENTS\`, which brings its own Node`,
  );
  process.exitCode = 1;
}
