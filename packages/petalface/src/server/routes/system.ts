import { Type } from "typebox";
import type { App, ServerContext } from "../context.ts";
import { docsPage, docsStyles } from "../http/docs-page.ts";
import { Problem } from "../problem.ts";

/** `/health`, `/ready`, `/metrics`, `/openapi.json` and `/docs`. */
export function systemRoutes(app: App, context: ServerContext): void {
  const state = Type.Object({ status: Type.String() });
  const tags = ["system"];
  app.get(
    "/health",
    {
      config: { scope: "public", rateLimit: false },
      schema: { tags, summary: "Whether the process answers", response: { 200: state } },
    },
    async () => ({ status: "ok" }),
  );

  app.get(
    "/ready",
    {
      config: { scope: "public", rateLimit: false },
      schema: {
        tags,
        summary: "Whether requests are taken: models are loaded, their engines work, and no shutdown has begun",
        response: { 200: state },
      },
    },
    async () => {
      if (!context.isOpen()) throw new Problem(503, "busy", "the server is shutting down", { retryAfter: 5 });
      if (!context.health.isReady)
        throw new Problem(503, "restarting", "an engine is being started again", { retryAfter: 1 });
      return { status: "ready" };
    },
  );

  app.get(
    "/metrics",
    { config: { scope: "admin" }, schema: { tags, summary: "Numbers for Prometheus", produces: ["text/plain"] } },
    async (_, reply) => {
      const { registry } = context.metrics;
      return reply.type(registry.contentType).send(await registry.metrics());
    },
  );

  app.get("/openapi.json", { config: { scope: "search" }, schema: { hide: true } }, async (_, reply) =>
    reply.send(app.swagger()),
  );

  app.get("/docs.css", { config: { scope: "search" }, schema: { hide: true } }, async (_, reply) =>
    reply.type("text/css; charset=utf-8").send(docsStyles),
  );

  app.get("/docs", { config: { scope: "search" }, schema: { hide: true } }, async (_, reply) =>
    reply.type("text/html; charset=utf-8").send(docsPage(app.swagger())),
  );
}
