import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";

/** A field of protobuf's wire format: number, and a string or nested bytes. */
function field(number: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

/**
 * The smallest ModelProto: IR version, an empty graph, producer and metadata. Not a network; enough
 * to be recognised.
 */
export function onnxBytes(options: { producer?: string; metadata?: Readonly<Record<string, string>> }): Buffer {
  const entries = Object.entries(options.metadata ?? {});
  return Buffer.concat([
    Buffer.from([0x08, 0x08]),
    field(2, options.producer ?? "petalface tests"),
    field(7, field(2, "graph")),
    ...entries.map(([key, value]) => field(14, Buffer.concat([field(1, key), field(2, value)]))),
  ]);
}

/** A registry with one package of one version; counts what was asked of it. */
export interface FakeRegistry {
  readonly url: string;
  readonly requests: string[];
  close(): Promise<void>;
}

/** Serves `tarball` as `name@1.0.0` on a free port of this machine. */
export async function fakeRegistry(name: string, tarball: Uint8Array): Promise<FakeRegistry> {
  const requests: string[] = [];
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const server: Server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (request.url === `/${name}`) {
      const dist = { tarball: `${base}/${name}/-/${name}-1.0.0.tgz`, integrity };
      const versions = { "1.0.0": { name, version: "1.0.0", dist } };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ name, "dist-tags": { latest: "1.0.0" }, versions }));
    } else if (request.url?.endsWith(".tgz")) response.end(tarball);
    else {
      response.statusCode = 404;
      response.end("{}");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  return {
    url: `${base}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
