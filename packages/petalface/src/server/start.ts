import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { fileURLToPath } from "node:url";
import { alignDefaults } from "../api/align/align.ts";
import type { GalleryModelOptions } from "../api/gallery/model.ts";
import { engineOf } from "../api/model.ts";
import { PetalfaceError } from "../errors.ts";
import { resolveDetector } from "../faces/index.ts";
import { readGivenFile } from "../files.ts";
import {
  type ChosenThresholds,
  defaultTemplateRule,
  type GateRules,
  gateDefaults,
  type TemplateRule,
} from "../gallery/index.ts";
import { printPath } from "../images/index.ts";
import { openResources } from "../resources.ts";
import { compreFaceRoutes } from "./compat/compreface.ts";
import { immichRoutes } from "./compat/immich.ts";
import { nextcloudRoutes } from "./compat/nextcloud.ts";
import type { SearchDefaults, ServerContext } from "./context.ts";
import { type ServedGallery, serveGallery } from "./gallery/served.ts";
import { openHealth } from "./health.ts";
import { buildApp } from "./http/app.ts";
import type { Access } from "./http/auth.ts";
import { isLoopback } from "./http/hosts.ts";
import { openIdempotency } from "./http/idempotency.ts";
import { openJobs } from "./jobs/jobs.ts";
import { openKeyRing } from "./keys/ring.ts";
import { defaultLimits, type Limits, openStock } from "./limits.ts";
import { openMetrics } from "./metrics.ts";
import { openPhotoPool } from "./photos/pool.ts";
import { dataRoutes } from "./routes/data.ts";
import { galleryRoutes } from "./routes/galleries.ts";
import { jobFileRoutes } from "./routes/job-files.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { pageFolder, pageRoutes, readPage } from "./routes/page.ts";
import { peopleRoutes } from "./routes/people.ts";
import { personFaceRoutes } from "./routes/person-faces.ts";
import { recogniseRoutes } from "./routes/recognise.ts";
import { scoreRoutes } from "./routes/scores.ts";
import { searchRoutes } from "./routes/search.ts";
import { systemRoutes } from "./routes/system.ts";

/** How a server is started. */
export interface ServerOptions extends GalleryModelOptions {
  /** Files of galleries, at least one. */
  readonly galleries: readonly string[];
  /** Address to listen on; 127.0.0.1 unless given. Others need keys. */
  readonly host?: string | undefined;
  /** 0 takes a free one; 8787 unless given. */
  readonly port?: number | undefined;
  /** File of keys. */
  readonly keys?: string | undefined;
  /**
   * Everybody on this machine may do everything; without it and without keys no request is let in.
   */
  readonly open?: boolean | undefined;
  /** Names by which the server is known. */
  readonly names?: readonly string[] | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** A detector's file or name, or `none`: photos are aligned faces. */
  readonly detector?: string | undefined;
  /** A landmark network's file or name, or `own`: the detector's own points. */
  readonly landmarks?: string | undefined;
  readonly templates?: TemplateRule | undefined;
  readonly thresholds?: ChosenThresholds | undefined;
  /** False-positive identification rate of estimated thresholds. */
  readonly rate?: number | undefined;
  readonly search?: Partial<SearchDefaults> | undefined;
  readonly gate?: Partial<GateRules> | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Jobs that clients may start; none unless given. */
  readonly jobs?: JobOptions | undefined;
  /** Folder of the page for people; the package's own unless given. */
  readonly page?: string | undefined;
  /** Says what went wrong inside; not reported unless given. */
  readonly note?: ((line: string) => void) | undefined;
}

/** Where jobs run. */
export interface JobOptions {
  /** Folder for what they make. */
  readonly folder: string;
  /** Folder whose folders of faces they may read. */
  readonly data: string;
  /** The command line of petalface: an executable and its first arguments. */
  readonly program: readonly string[];
}

/** A server that takes requests. */
export interface RunningServer {
  /** Where it listens, such as `http://127.0.0.1:8787`. */
  readonly address: string;
  /**
   * Resolves with the reason once the server can embed no more faces: an engine's thread has ended
   * again and again. Close the server then.
   */
  readonly failed: Promise<Error>;
  /** Takes no more connections, answers the requests that it has, and closes everything. */
  close(): Promise<void>;
}

/** Milliseconds for which requests that are under way may go on at the end. */
const drainTime = 30_000;
/** Faces of a batch, and milliseconds that they are gathered for. */
const batching = { batch: 8, wait: 5 };

/**
 * Starts a server. It answers requests when the promise resolves.
 *
 * @throws PetalfaceError where the options do not go together, a file cannot be opened, or the port
 * is taken
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 8787, names = [], note = () => {} } = options;
  checkOptions(options, host);
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const open = openResources();
  try {
    const { access, tls } = await openAccess(options);
    const queue = openStock(limits.queue);
    const health = openHealth(note);
    const galleries = new Map<string, ServedGallery>();
    const metrics = openMetrics({
      queued_photos: { help: "Photos that wait or are worked on", read: () => queue.used },
    });
    for (const path of options.galleries) {
      const gallery = open.keep(
        await serveGallery(path, {
          ...options,
          ...batching,
          onBatch: metrics.batch,
          keeper: health.keeper,
          templates: options.templates ?? defaultTemplateRule,
          rate: options.rate ?? 0.01,
          thresholds: options.thresholds,
          gate: { ...gateDefaults, ...options.gate },
          patience: limits.time,
          waiting: limits.queue,
          note,
        }),
      );
      if (galleries.has(gallery.name))
        throw new PetalfaceError(
          "PETAL_OPTION_INVALID",
          `two galleries are called "${gallery.name}"; give them different file names`,
        );
      galleries.set(gallery.name, gallery);
    }
    const size = sizeOf([...galleries.values()]);
    const { threads } = engineOf(options);
    const photos = open.keep(openPhotoPool({ ...(await detectorOf(options)), size, ...limits }, threads));
    await photos.ready();
    // The first request need not wait for the galleries to be read.
    for (const gallery of galleries.values()) await gallery.use(async () => {});
    let isOpen = true;
    const context: ServerContext = {
      galleries,
      photos,
      limits,
      queue,
      metrics,
      note,
      health,
      idempotency: openIdempotency(),
      templates: options.templates ?? defaultTemplateRule,
      search: { margin: 0.02, lowestAlpha: 0, top: 5, ...options.search },
      isOpen: () => isOpen,
    };
    const jobs = options.jobs && (await openJobs(options.jobs.folder, options.jobs.program));
    const files = await readPage(options.page ?? fileURLToPath(pageFolder));
    const routes = [
      pageRoutes(files),
      scoreRoutes,
      dataRoutes(jobs, options.jobs?.data),
      jobRoutes(jobs, options.jobs?.data),
      jobFileRoutes(jobs, options.jobs?.program ?? []),
      systemRoutes,
      recogniseRoutes,
      searchRoutes,
      galleryRoutes,
      peopleRoutes,
      personFaceRoutes,
      compreFaceRoutes,
      immichRoutes,
      nextcloudRoutes,
    ];
    const app = await buildApp({
      context,
      access,
      tls,
      routes,
      names: new Set([...names, host].map((name) => name.toLowerCase())),
    });
    open.keep(app, (one) => one.close());
    await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
      throw cannotListen(host, port, cause);
    });
    const { address, family, port: taken } = app.server.address() as AddressInfo;
    const shown = family === "IPv6" ? `[${address}]` : address;
    return {
      address: `${tls === undefined ? "http" : "https"}://${shown}:${taken}`,
      failed: health.failed,
      async close() {
        isOpen = false;
        // Who does not end by itself is cut off.
        const cut = setTimeout(() => app.server.closeAllConnections(), drainTime);
        try {
          // Whoever follows a job is sent its end.
          await jobs?.close();
          await open[Symbol.asyncDispose]();
        } finally {
          clearTimeout(cut);
        }
      },
    };
  } catch (error) {
    await open[Symbol.asyncDispose]();
    throw error;
  }
}

function checkOptions({ galleries, keys, open = false, tlsCert, tlsKey }: ServerOptions, host: string): void {
  const wrong = (text: string): PetalfaceError => new PetalfaceError("PETAL_OPTION_INVALID", text);
  if (galleries.length === 0) throw wrong("give a gallery with 'gallery' FILE; petalface gallery create makes one");
  if (keys !== undefined && open) throw wrong("give 'keys' or 'open', not both");
  if (open && !isLoopback(host))
    throw wrong(
      `'open' lets everybody in, so it works on this machine's own address alone, not on ${host}; give 'keys' FILE`,
    );
  if (keys === undefined && !isLoopback(host))
    throw wrong(`others can reach ${host}; give 'keys' FILE (petalface keys add makes one)`);
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw wrong("'tlsCert' and 'tlsKey' belong together");
}

async function openAccess({ keys, open = false, tlsCert, tlsKey }: ServerOptions) {
  const read = (path: string): Promise<Buffer> =>
    readGivenFile(path).catch((cause: Error) => {
      throw new PetalfaceError("PETAL_SERVER_FAILED", `cannot read ${printPath(path)} (${cause.message})`, { cause });
    });
  const tls =
    tlsCert === undefined || tlsKey === undefined ? undefined : { cert: await read(tlsCert), key: await read(tlsKey) };
  if (tls !== undefined) checkTls(tls, printPath(tlsCert ?? ""));
  const access: Access =
    keys !== undefined ? { kind: "keys", ring: await openKeyRing(keys) } : { kind: open ? "open" : "closed" };
  return { access, tls };
}

/** Throws PetalfaceError where a certificate and its key cannot be used together. */
function checkTls(files: { readonly cert: Buffer; readonly key: Buffer }, shown: string): void {
  try {
    createSecureContext(files);
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_SERVER_FAILED",
      `${shown} and its key are not usable for TLS (${(cause as Error).message}); give a PEM certificate and the key that belongs to it`,
      { cause },
    );
  }
}

/** Photos are cut to one size. Throws PetalfaceError where models differ in it. */
function sizeOf(galleries: readonly ServedGallery[]): number {
  const [size = 0, ...others] = new Set(galleries.map(({ recogniser }) => recogniser.size));
  if (others.length > 0)
    throw new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `the galleries' models take faces of different sizes (${[size, ...others].join(" and ")} px); serve them with one server each`,
    );
  return size;
}

async function detectorOf({ detector = alignDefaults.detector, landmarks = alignDefaults.landmarks }: ServerOptions) {
  if (detector === "none") return { detector: undefined, landmarks: undefined };
  const [found, points] = [
    await resolveDetector(detector),
    landmarks === "own" ? undefined : await resolveDetector(landmarks),
  ];
  return { detector: found.path, landmarks: points?.path };
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): PetalfaceError {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: "another program uses this port; give another one with 'port'",
    EACCES: "ports below 1024 need more rights; give another one with 'port'",
    EADDRNOTAVAIL: "this machine has no such address; give one of its own with 'host'",
    ENOTFOUND: "this address is not known; give one of this machine with 'host'",
  };
  return new PetalfaceError(
    "PETAL_SERVER_FAILED",
    `cannot listen on ${host}:${port}: ${why[cause.code ?? ""] ?? cause.message}`,
    { cause },
  );
}
