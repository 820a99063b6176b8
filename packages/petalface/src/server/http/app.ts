import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, { type FastifyRequest, type FastifyServerOptions } from "fastify";
import { packageVersion } from "../../versions.ts";
import type { App, ServerContext } from "../context.ts";
import { openStock } from "../limits.ts";
import { Problem } from "../problem.ts";
import { type Access, callerOf } from "./auth.ts";
import { collect, memoryOf } from "./body.ts";
import { answerError } from "./errors.ts";
import { checkOrigin } from "./hosts.ts";

/** Everything that the application needs besides its routes. */
export interface AppOptions {
  readonly context: ServerContext;
  readonly access: Access;
  /** Names by which the server is known, lower case, in addition to addresses and localhost. */
  readonly names: ReadonlySet<string>;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly routes: readonly ((app: App, context: ServerContext) => void)[];
}

/** Only what the server itself sends is loaded, no page frames it, and forms go nowhere else. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Builds the application: who may ask, what a request may cost, and how errors are answered. */
export async function buildApp({ context, access, names, tls, routes }: AppOptions): Promise<App> {
  const { limits, metrics } = context;
  const seconds = Math.ceil(limits.time / 1000);
  const options = {
    ...(tls !== undefined && { https: tls }),
    http: { connectionsCheckingInterval: 1000, headersTimeout: 10_000, keepAliveTimeout: 5000, maxHeaderSize: 16_384 },
    requestTimeout: seconds * 1000,
    keepAliveTimeout: 5000,
    bodyLimit: Math.ceil((limits.photos * limits.photoBytes * 4) / 3) + 65_536,
    // Not what a client sends: it goes into logs.
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 2000, ignoreTrailingSlash: true },
    forceCloseConnections: "idle",
    return503OnClosing: false,
    exposeHeadRoutes: false,
    // Query parameters are text; the types of bodies are kept.
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false, allErrors: false } },
  } satisfies FastifyServerOptions & Record<string, unknown>;
  const app = fastify(
    options as FastifyServerOptions<Server>,
  ).withTypeProvider<TypeBoxTypeProvider>() as unknown as App;
  app.server.maxConnections = limits.connections;

  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, context));
  const memory = openStock(limits.bodyBytes);
  app.decorateRequest("caller");
  app.decorateRequest("memory");
  app.decorateRequest("deadline");

  app.addHook("onRequest", async (request, reply) => {
    const own = memoryOf(memory);
    const ending = new AbortController();
    request.memory = own;
    request.deadline = ending.signal;
    const timer = setTimeout(
      () => ending.abort(new DOMException("the request took too long", "TimeoutError")),
      limits.time,
    );
    reply.raw.once("close", () => {
      clearTimeout(timer);
      own.release();
      if (!reply.raw.writableFinished) ending.abort(new DOMException("the client has gone", "AbortError"));
    });
    reply.headers({
      "x-request-id": request.id,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      "x-frame-options": "DENY",
      "content-security-policy": policy,
      "permissions-policy": "camera=(self), microphone=(), geolocation=()",
      "cache-control": "no-store",
    });
    checkOrigin(request, names);
    const { scope } = request.routeOptions.config;
    if (scope === "public") return;
    request.caller = await callerOf(request, access, scope);
  });
  app.addHook("onResponse", async (request, reply) => {
    metrics.request(request.routeOptions.url ?? "none", request.method, reply.statusCode, reply.elapsedTime / 1000);
  });

  await app.register(rateLimit, {
    // After the caller is known.
    hook: "preParsing",
    timeWindow: 60_000,
    max: (request) => request.caller?.rate ?? limits.requestsPerMinute,
    keyGenerator: (request) => request.caller?.id ?? request.ip,
    errorResponseBuilder: (_, { ttl }) =>
      new Problem(429, "too-many-requests", "this key has used up its requests of the minute", {
        retryAfter: Math.ceil(ttl / 1000),
      }),
  });
  await app.register(multipart);
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", async (request: FastifyRequest, payload: IncomingMessage) => {
    const bytes = await collect(payload, options.bodyLimit, request.memory, "the request");
    try {
      return JSON.parse(bytes.toString("utf8"), withoutPrototypes) as unknown;
    } catch {
      throw new Problem(400, "invalid-request", "the body is not valid JSON");
    }
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "petalface",
        version: packageVersion(),
        description:
          "Finds faces, embeds them, enrols people and says who a face is. Send a key in the header `x-api-key`, or as `Authorization: Bearer KEY`. Errors are problem details (RFC 9457). Writes take an `Idempotency-Key`.",
      },
      components: {
        securitySchemes: {
          key: { type: "apiKey", in: "header", name: "x-api-key" },
          bearer: { type: "http", scheme: "bearer" },
        },
      },
      security: [{ key: [] }, { bearer: [] }],
    },
  });
  for (const register of routes) app.after(() => register(app, context));
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, () => {
    throw new Problem(404, "not-found", "this server has no such route");
  });
  await app.ready();
  return app;
}

/** Leaves out what would change an object's prototype. */
const withoutPrototypes = (key: string, value: unknown): unknown => (key === "__proto__" ? undefined : value);
