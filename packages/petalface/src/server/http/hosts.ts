import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { Problem } from "../problem.ts";

/** The name in a Host header, without the port; undefined where it is none. */
export function nameOfHost(host: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** Addresses that only this machine reaches. */
export const isLoopback = (name: string): boolean =>
  name === "localhost" || name === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);

/**
 * Refuses requests that another web page sends, and those of a name that is not the server's.
 *
 * A page on a foreign site whose name is made to resolve to this machine (DNS rebinding) sends its
 * own name in Host: names other than the known ones are refused. Addresses cannot be rebound.
 * A page that calls the server by a right name sends its own in Origin.
 *
 * @param names known names, lower case
 */
export function checkOrigin(request: FastifyRequest, names: ReadonlySet<string>): void {
  const { host = "", origin } = request.headers;
  const name = nameOfHost(host);
  if (name === undefined || !(isIP(name) !== 0 || isLoopback(name) || names.has(name)))
    throw new Problem(
      421,
      "foreign-host",
      "this server is not known by the name in the Host header ('name=NAME' adds one)",
    );
  if (origin !== undefined && hostOf(origin) !== host.toLowerCase()) throw foreignOrigin();
  const site = request.headers["sec-fetch-site"];
  if (site !== "cross-site" && site !== "same-site") return;
  // A link on another page may lead here; what it opens is no request of that page.
  const isLink = request.method === "GET" && request.headers["sec-fetch-mode"] === "navigate";
  if (!isLink || request.headers["sec-fetch-dest"] !== "document") throw foreignOrigin();
}

const foreignOrigin = (): Problem =>
  new Problem(403, "foreign-origin", "a page of another origin may not use this server");

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host.toLowerCase();
  } catch {
    return undefined;
  }
}
