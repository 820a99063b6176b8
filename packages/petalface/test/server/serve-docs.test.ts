import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTest, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTest();
});
afterAll(() => server[Symbol.asyncDispose]());

test("the table of docs/serve.md has each route of the OpenAPI document, and no other", async () => {
  const { body } = await server.ask("GET", "/openapi.json");
  const routes = Object.entries(body.paths as Record<string, object>)
    // Those of other servers are in their own documentation.
    .filter(([path]) => /^\/(v1|health|ready|metrics)\b/.test(path))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const page = await readFile(new URL("../../../../docs/serve.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `([A-Z, ]+) (\/\S+)`/gm)].flatMap(([, methods = "", path = ""]) =>
    methods.split(", ").map((method) => `${method} ${path}`),
  );
  expect(listed.toSorted()).toEqual(routes.toSorted());
});
