import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { App } from "../context.ts";
import { Problem } from "../problem.ts";

/** A file of the page, ready to be sent. */
interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzip: Buffer;
  readonly tag: string;
}

/** The page's files by their path under `/`; undefined where it was not built. */
export type PageFiles = ReadonlyMap<string, PageFile> | undefined;

/** Where the page is: the package's build puts it next to the code. */
export const pageFolder = new URL(
  import.meta.url.endsWith(".ts") ? "../../../dist/page/" : "../../page/",
  import.meta.url,
);

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Reads the page into memory: no request ever opens a file. */
export async function readPage(folder: string): Promise<PageFiles> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = new Map<string, PageFile>();
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const bytes = await readFile(join(folder, name));
    const tag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
    files.set(name.replaceAll("\\", "/"), { type, bytes, gzip: gzipSync(bytes, { level: 9 }), tag });
  }
  return files.has("index.html") ? files : undefined;
}

/** `/`: the page for people. */
export const pageRoutes =
  (files: PageFiles) =>
  (app: App): void => {
    if (files === undefined) {
      app.get("/", { config: { scope: "search" }, schema: { hide: true } }, () => {
        throw new Problem(
          404,
          "not-found",
          "this installation has no page; in a checkout, npm run build makes it. /docs describes the API",
        );
      });
      return;
    }
    for (const [name, { type, bytes, gzip, tag }] of files)
      app.get(
        `/${name === "index.html" ? "" : name}`,
        { config: { scope: "search" }, schema: { hide: true } },
        (request, reply) => {
          // Kept by the browser and asked for again; the same bytes are not sent twice.
          reply.headers({ etag: tag, "cache-control": "private, no-cache", vary: "accept-encoding" });
          if (request.headers["if-none-match"] === tag) return reply.code(304).send();
          const isPacked = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
          if (isPacked) reply.header("content-encoding", "gzip");
          return reply.type(type).send(isPacked ? gzip : bytes);
        },
      );
  };
