#!/usr/bin/env node
// Starts the TypeScript sources of a checkout; the published package starts its built files instead. Plain JavaScript, so that
// an old Node gets a sentence and not "Unknown file extension".
if (Number.parseInt(process.versions.node, 10) >= 24) await import("../src/cli/main.ts");
else {
  console.error(
    `petalface: running from the sources needs Node 24 or newer, and this is ${process.versions.node}: use \`npm run petalface -- ARGUMENTS\`, which brings its own`,
  );
  process.exitCode = 1;
}
