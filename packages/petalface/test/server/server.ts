import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawFace, encodePixels, openFaceSpace } from "../../src/images/index.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/server/index.ts";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";

/**
 * A server on loopback for a test, with a tiny network with random weights and an empty gallery.
 */
export interface TestServer extends AsyncDisposable {
  readonly folder: string;
  readonly address: string;
  /** The gallery's file. */
  readonly gallery: string;
  readonly running: RunningServer;
  /** Sends a request; the answer's status and JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Asked>;
}

/** An answer. */
export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  /** JSON of any shape, or text. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Makes a folder with a tiny model and an empty gallery `people.db`. */
export async function makeGallery(...flags: string[]): Promise<{ folder: string; gallery: string }> {
  const folder = await mkdtemp(join(tmpdir(), "petalface-server-"));
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  const gallery = join(folder, "people.db");
  const made = await petalface([
    ...["gallery", "create", gallery, "--model", join(folder, "tiny.onnx"), "--copies", "8,6", "--alpha-range", "0,4"],
    ...flags,
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
  return { folder, gallery };
}

/** The tiny network says nothing of quality and of likeness: the gate is left open. */
const openGate = { alpha: 0, side: 1 };

/** Starts a {@link TestServer}. It takes aligned faces alone unless options say otherwise. */
export async function startTest(options: Partial<ServerOptions> = {}, flags: string[] = []): Promise<TestServer> {
  const { folder, gallery } = await makeGallery(...flags);
  const running = await startServer({
    galleries: [gallery],
    port: 0,
    open: options.keys === undefined,
    detector: "none",
    threads: 1,
    gate: openGate,
    ...options,
  });
  return {
    folder,
    gallery,
    running,
    address: running.address,
    ask: (method, path, body, headers) => ask(running.address, method, path, body, headers),
    async [Symbol.asyncDispose]() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Sends a request: a form as it is, everything else as JSON. */
export async function ask(
  address: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Asked> {
  const isJson = body !== undefined && !(body instanceof FormData);
  const response = await fetch(address + path, {
    method,
    headers: { ...(isJson && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as FormData) }),
  });
  const text = await response.text();
  const isDocument = (response.headers.get("content-type") ?? "").includes("json");
  return { status: response.status, headers: response.headers, body: isDocument ? JSON.parse(text) : text };
}

/** A form with photos. */
export function form(...photos: readonly Uint8Array[]): FormData {
  const data = new FormData();
  photos.forEach((photo, at) => {
    data.append("photo", new Blob([new Uint8Array(photo)]), `photo${at + 1}.png`);
  });
  return data;
}

const space = openFaceSpace();

/** A drawn face as PNG; faces of the same numbers are the same bytes. */
export async function drawnFace(person: number, image = 0, size = 32): Promise<Uint8Array> {
  return encodePixels(drawFace(await space, { seed: 5, person, image }, size));
}
