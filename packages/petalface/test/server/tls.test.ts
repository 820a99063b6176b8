import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { makeGallery } from "./server.ts";

const hasOpenssl = ((): boolean => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasOpenssl)(`TLS by certificate files${hasOpenssl ? "" : " (skipped: needs openssl)"}`, () => {
  let folder: string;
  let server: RunningServer;
  let options: Parameters<typeof startServer>[0];
  const file = (name: string): string => join(folder, name);

  beforeAll(async () => {
    const made = await makeGallery();
    folder = made.folder;
    for (const name of ["door", "other"]) {
      const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
      const files = ["-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)];
      const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
      execFileSync("openssl", ["req", "-x509", ...kind, ...names, ...files], { stdio: "ignore" });
    }
    options = { galleries: [made.gallery], port: 0, open: true, detector: "none", threads: 1 };
    server = await startServer({ ...options, tlsCert: file("door.pem"), tlsKey: file("door.key") });
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Status and protocol of an answer to a client that trusts one certificate. */
  const get = async (trusted: string, more: object = {}): Promise<readonly [number | undefined, string | null]> => {
    const ca = await readFile(file(trusted));
    return new Promise((resolve, reject) => {
      const sent = request(`${server.address}/health`, { ca, agent: false, ...more }, (response) => {
        response.resume();
        const { socket } = response as unknown as { socket: import("node:tls").TLSSocket };
        const protocol = socket.getProtocol();
        response.on("end", () => resolve([response.statusCode, protocol]));
      });
      sent.on("error", reject);
      sent.end();
    });
  };

  test("answers who trusts the certificate, with TLS 1.2 or 1.3, and nobody else", async () => {
    expect(server.address).toMatch(/^https:/);
    expect(await get("door.pem")).toEqual([200, "TLSv1.3"]);
    expect(await get("door.pem", { maxVersion: "TLSv1.2" })).toEqual([200, "TLSv1.2"]);
    await expect(get("other.pem")).rejects.toThrow(/self-signed|certificate/);
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" };
    await expect(get("door.pem", old)).rejects.toThrow();
  });

  test("plain HTTP on its port gets no answer of a route", async () => {
    const plain = server.address.replace("https:", "http:");
    await expect(fetch(`${plain}/health`).then((response) => response.status)).rejects.toThrow();
  });

  test.each([
    ["a missing file", () => ({ tlsCert: "none.pem", tlsKey: "none.key" }), /cannot read .*none\.pem/],
    ["one file alone", () => ({ tlsCert: file("door.pem") }), /belong together/],
    ["the key of another certificate", () => ({ tlsCert: file("door.pem"), tlsKey: file("other.key") }), /TLS/],
    ["no certificate at all", () => ({ tlsCert: file("text.pem"), tlsKey: file("door.key") }), /TLS/],
  ])("%s is refused in one line", async (_, files, message) => {
    await writeFile(file("text.pem"), "not a certificate");
    const error = await startServer({ ...options, ...files() }).then(
      async (running) => {
        await running.close();
        return undefined;
      },
      (reason: unknown) => reason as Error & { code?: string },
    );
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain("\n");
    expect(error?.code).toMatch(/^PETAL_/);
  });
});
