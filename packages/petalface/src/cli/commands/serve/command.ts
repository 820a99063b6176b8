import type { Command } from "commander";
import { keepYoungGeneration, returnFreedMemory } from "../../../allocator.ts";
import { readThresholds } from "../../../api/gallery/thresholds.ts";
import { PetalfaceError } from "../../../errors.ts";
import { shownGallery, singleThreshold } from "../../../gallery/index.ts";
import { defaultLimits, startServer } from "../../../server/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { byteSize } from "../../numbers.ts";
import { collect, parseInteger } from "../../options.ts";
import { type DecisionFlags, withGateOptions, withThresholdOptions } from "../gallery/decisions.ts";
import { type GalleryModelFlags, withGalleryModel } from "../gallery/model.ts";

interface Flags extends GalleryModelFlags, DecisionFlags {
  readonly gallery?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly keys?: string;
  readonly open?: boolean;
  readonly name?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly detector?: string;
  readonly landmarks?: string;
  readonly minSide: number;
  readonly maxPhoto: number;
  readonly maxPixels: number;
  readonly maxFaces: number;
  readonly maxSeconds: number;
  readonly queue: number;
  readonly requests: number;
  readonly jobs?: string;
  readonly data?: string;
}

/** `petalface serve --gallery G.db`. */
export function serveCommand(program: Command, context: CliContext): void {
  const command = program
    .command("serve")
    .description("answer requests over HTTP: who is in a photo, enrol people; also as CompreFace does")
    .option(
      "--gallery <file>",
      "a file that `gallery create` made, or postgres://...?gallery=NAME; may be repeated",
      collect,
    );
  withGalleryModel(command)
    .option("--host <address>", "address to listen on; others than this machine's own need --keys", "127.0.0.1")
    .option("--port <n>", "port to listen on; 0 takes a free one", parseInteger("--port", 0, 65_535), 8787)
    .option("--keys <file>", "keys of clients, as `petalface keys` makes them")
    .option("--open", "no keys: every program and user of this machine may do everything")
    .option("--name <host>", "another name by which clients call the server, such as behind a proxy", collect)
    .option("--tls-cert <file>", "certificate (PEM), with the chain; without it put a proxy with TLS in front")
    .option("--tls-key <file>", "its private key (PEM)")
    .option("--detector <file|name>", "face detector; none: all photos are aligned faces; fr_detect unless given")
    .option("--landmarks <file|name>", "network for five points; own: the detector's; fr_landmark unless given");
  withGateOptions(withThresholdOptions(command))
    .option("--max-photo <size>", "most bytes of a photo, such as 16M", byteSize, defaultLimits.photoBytes)
    .option(
      "--max-pixels <n>",
      "most pixels of a photo",
      parseInteger("--max-pixels", 1, 500_000_000),
      defaultLimits.pixels,
    )
    .option("--max-faces <n>", "most faces of a photo", parseInteger("--max-faces", 1, 10_000), defaultLimits.faces)
    .option(
      "--max-seconds <n>",
      "longest time for a request",
      parseInteger("--max-seconds", 1, 3600),
      defaultLimits.time / 1000,
    )
    .option(
      "--queue <n>",
      "photos that may wait; more are answered with 503",
      parseInteger("--queue", 1, 100_000),
      defaultLimits.queue,
    )
    .option(
      "--requests <n>",
      "most requests of a key in a minute",
      parseInteger("--requests", 1, 100_000_000),
      defaultLimits.requestsPerMinute,
    )
    .option("--jobs <folder>", "let clients with scope admin train and measure; what they make goes there")
    .option("--data <folder>", "folder whose folders of faces jobs may read")
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "serve --gallery people.db --open",
    "serve --gallery people.db --keys keys.json --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem",
  );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  keepYoungGeneration();
  await returnFreedMemory();
  const { gallery: galleries = [], name: names, threshold, thresholds, minAlpha, minSide, margin, ...rest } = flags;
  const chosen =
    threshold !== undefined
      ? singleThreshold(threshold)
      : thresholds === undefined
        ? undefined
        : await readThresholds(thresholds);
  const { jobs: folder, data } = flags;
  if ((folder === undefined) !== (data === undefined))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--jobs and --data belong together");
  const program = [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
  const server = await startServer({
    ...rest,
    jobs: folder === undefined || data === undefined ? undefined : { folder, data, program },
    galleries,
    names,
    search: { margin },
    gate: { alpha: minAlpha, side: minSide },
    thresholds: chosen && { kind: "given", table: chosen },
    limits: {
      photoBytes: flags.maxPhoto,
      pixels: flags.maxPixels,
      faces: flags.maxFaces,
      queue: flags.queue,
      time: flags.maxSeconds * 1000,
      requestsPerMinute: flags.requests,
    },
    note: (line) => context.note(line),
  });
  try {
    if (flags.keys === undefined && !flags.open)
      context.note("note: without --keys or --open every request but /health and /ready is refused");
    if (flags.host !== "127.0.0.1" && flags.tlsCert === undefined)
      context.note(
        "note: without TLS photos and keys can be read on the way; give --tls-cert, or use a proxy with TLS",
      );
    context.isService = true;
    context.result({ address: server.address, galleries: galleries.map(shownGallery) }, server.address, true);
    const failed = await Promise.race([aborted(context.signal), server.failed]);
    if (failed !== undefined) throw failed;
  } finally {
    await server.close();
  }
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
