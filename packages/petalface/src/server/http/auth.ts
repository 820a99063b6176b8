import type { FastifyRequest } from "fastify";
import type { Scope } from "../keys/file.ts";
import { scopes } from "../keys/file.ts";
import type { Caller, KeyRing } from "../keys/ring.ts";
import { Problem } from "../problem.ts";

/**
 * Who may use the server: holders of keys, everybody (`open`, on this machine only), or no one at
 * all.
 */
export type Access =
  | { readonly kind: "keys"; readonly ring: KeyRing }
  | { readonly kind: "open" }
  | { readonly kind: "closed" };

/**
 * Says who asks.
 *
 * @throws Problem 401 without a valid key, 403 where the key may not do this
 */
export async function callerOf(request: FastifyRequest, access: Access, scope: Scope | undefined): Promise<Caller> {
  if (access.kind === "open") return { id: request.ip, scopes, rate: null };
  const key = keyOf(request);
  const caller = key === undefined || access.kind === "closed" ? undefined : await access.ring.caller(key);
  if (caller === undefined)
    throw new Problem(
      401,
      "unauthorised",
      access.kind === "closed"
        ? "this server was started without keys; start it with a file of keys, or open to this machine"
        : "send a key of this server in the header x-api-key or as Authorization: Bearer KEY",
    );
  if (scope !== undefined && !caller.scopes.includes(scope))
    throw new Problem(403, "forbidden", `this key has no scope "${scope}"`, { scope });
  return caller;
}

/**
 * The key of a request: `x-api-key`, `Authorization: Bearer`, or the password of `Basic`, which
 * browsers ask for.
 */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const given = headers["x-api-key"];
  if (typeof given === "string") return given;
  const [scheme = "", value = ""] = (headers.authorization ?? "").split(" ", 2);
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const text = Buffer.from(value, "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}
