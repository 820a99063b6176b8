import { Agent, request } from "node:http";

/** What a request is answered with. */
export interface Answered {
  readonly status: number;
  readonly body: string;
}

/** Sends requests over connections that stay open from one request to the next. */
export interface KeptClient extends Disposable {
  send(method: string, path: string, form?: FormData): Promise<Answered>;
  /** Requests that were sent over a connection that had carried others. */
  readonly reused: number;
}

/** Opens a {@link KeptClient}. */
export function openKeptClient(address: string): KeptClient {
  const agent = new Agent({ keepAlive: true });
  const client = { reused: 0 };

  const once = (method: string, path: string, headers: Record<string, string>, bytes: Buffer): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const sent = request(new URL(path, address), { method, agent, headers });
      sent.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          if (sent.reusedSocket) client.reused++;
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
        });
      });
      sent.on("error", (error: NodeJS.ErrnoException) => {
        // The server has closed an idle connection at the moment at which it was used again.
        const isClosed = sent.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        if (isClosed) resolve(once(method, path, headers, bytes));
        else reject(error);
      });
      sent.end(bytes);
    });

  return {
    async send(method, path, form) {
      const encoded = new Response(form);
      const bytes = Buffer.from(await encoded.arrayBuffer());
      const type = encoded.headers.get("content-type");
      const headers = { "content-length": String(bytes.length), ...(type !== null && { "content-type": type }) };
      return await once(method, path, headers, bytes);
    },
    get reused() {
      return client.reused;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}
