import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeModel, lower, type Tensor } from "onnx-grad";
import type { Browser } from "playwright-core";
import { compiledOnce, openChromium } from "../support/chromium.ts";
import type { Case } from "./families.ts";
import type { Results } from "./run.ts";

/** Folder of onnxruntime-web's builds for browsers. */
const builds = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web")));

const types: Readonly<Record<string, string>> = { mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };

/** Where onnxruntime-web computes. */
export type WebProvider = "wasm" | "webgpu";

/** A page in chromium that runs models. */
export interface BrowserRunner {
  run(provider: WebProvider, each: Case): Promise<Results>;
  close(): Promise<void>;
}

/** What the page and the test hand to each other: plain JSON. */
type Plain = Record<string, { dtype: string; dims: number[]; data: number[] }>;

const page = `<!doctype html><title>providers</title><script type="module">
  import * as ort from "./ort.webgpu.min.mjs";
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  window.runCase = async (provider, model, feeds) => {
    const bytes = new Uint8Array(await (await fetch(model)).arrayBuffer());
    const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
    const inputs = Object.entries(feeds).map(([name, { dtype, dims, data }]) => [name, new ort.Tensor(dtype, data, dims)]);
    const results = await session.run(Object.fromEntries(inputs));
    const plain = Object.entries(results).map(([name, { type, dims, data }]) => [name, { dtype: type, dims, data: Array.from(data, Number) }]);
    await session.release();
    return Object.fromEntries(plain);
  };
</script>`;

/**
 * Starts chromium with SwiftShader as its WebGPU device on a page served from this machine's
 * loopback address.
 */
export async function openBrowser(): Promise<BrowserRunner> {
  const models = new Map<string, Uint8Array>();
  const server = createServer(async (request, response) => {
    const name = basename(new URL(request.url ?? "/", "http://localhost").pathname) || "index.html";
    const body =
      name === "index.html" ? page : (models.get(name) ?? (await readFile(join(builds, name)).catch(() => undefined)));
    response.writeHead(body === undefined ? 404 : 200, {
      "content-type": types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let browser: Browser | undefined;
  const close = async (): Promise<void> => {
    await browser?.close();
    await new Promise((resolve) => server.close(resolve));
  };
  try {
    browser = await openChromium(compiledOnce, "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader");
    const tab = await browser.newPage();
    tab.setDefaultTimeout(600_000);
    await tab.goto(`http://127.0.0.1:${port}/`);
    await tab.waitForFunction("window.runCase !== undefined");
    return {
      close,
      async run(provider, { graph, feeds }) {
        const name = `model-${models.size}`;
        models.set(name, encodeModel(lower(graph, provider)));
        const inputs: Plain = Object.fromEntries(
          Object.entries(feeds).map(([key, { dtype, dims, data }]) => [
            key,
            { dtype, dims: [...dims], data: Array.from(data, Number) },
          ]),
        );
        const call = `runCase(${JSON.stringify(provider)}, ${JSON.stringify(name)}, ${JSON.stringify(inputs)})`;
        // A new error: the page's own stack names addresses, which vitest would look for as files.
        const results = (await tab.evaluate(call).catch((error: Error) => {
          throw new Error(error.message.split("\n")[0]);
        })) as Plain;
        return Object.fromEntries(
          Object.entries(results).map(([key, { dims, data }]) => [
            key,
            { dtype: "float32", dims, data: Float32Array.from(data) } satisfies Tensor,
          ]),
        );
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
