import "@fastify/multipart";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { TemplateRule } from "../gallery/index.ts";
import type { ServedGallery } from "./gallery/served.ts";
import type { Health } from "./health.ts";
import type { Idempotency } from "./http/idempotency.ts";
import type { Scope } from "./keys/file.ts";
import type { Caller } from "./keys/ring.ts";
import type { Limits, Stock } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { PhotoPool } from "./photos/pool.ts";

/** What every route works with. */
export interface ServerContext {
  /** By name; the first one is that of routes that name none. */
  readonly galleries: ReadonlyMap<string, ServedGallery>;
  readonly photos: PhotoPool;
  readonly limits: Limits;
  /** Photos that wait or are worked on. */
  readonly queue: Stock;
  readonly idempotency: Idempotency;
  readonly metrics: Metrics;
  readonly search: SearchDefaults;
  /** How the faces of a person answer a search. */
  readonly templates: TemplateRule;
  /** Whether requests are still taken: false from SIGTERM on. */
  isOpen(): boolean;
  readonly health: Health;
  /**
   * Says what went wrong inside, for whoever runs the server. Never holds a photo, a name or a key.
   */
  readonly note: (line: string) => void;
}

/** How a search decides where the request does not say. */
export interface SearchDefaults {
  readonly margin: number;
  readonly lowestAlpha: number;
  readonly top: number;
}

/** The application with routes typed by their schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller;
    /** Memory of this request's body; given back when the answer is sent. */
    memory: Stock;
    /** Aborts when the client has gone or the time is up. */
    deadline: AbortSignal;
  }
  interface FastifyContextConfig {
    /** What the key must be allowed to do; `public`: no key is needed. */
    readonly scope?: Scope | "public";
  }
}
