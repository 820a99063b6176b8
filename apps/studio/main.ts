/**
 * Serves the page that adapts a model in the browser, or writes it as a folder:
 * `npm run studio -- --help`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PetalfaceError } from "petalface";
import { buildStudio, serveStudio } from "./build.ts";

const usage = `npm run studio -- [--model M] [--port N] [--build FOLDER]
  --model M        a recogniser: path, or a name that petalface models knows (fr_feature)
  --port N         where to serve on this machine (4173)
  --build FOLDER   write the page into a new folder for any static host instead of serving it`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: "fr_feature" },
      port: { type: "string", default: "4173" },
      build: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new TypeError(`--port ${values.port} is not a port`);
  if (values.build !== undefined) {
    await buildStudio({ model: values.model, out: values.build });
    console.log(`the page is in ${values.build}; any static host will do (docs/studio.md)`);
    return;
  }
  const out = await mkdtemp(join(tmpdir(), "petalface-studio-"));
  try {
    await buildStudio({ model: values.model, out });
    const server = await serveStudio(out, port);
    console.log(`adapt in the browser: ${server.url} (Ctrl-C ends it)`);
    await new Promise<void>((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
    await server.close();
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  const wrongUsage = error instanceof TypeError;
  if (!wrongUsage && !(error instanceof PetalfaceError)) throw error;
  console.error(`studio: ${error.message}`);
  process.exitCode = wrongUsage ? 2 : 1;
}
