import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";

/** A camera that speaks RTSP, for one client at a time. */
export interface RtspCamera extends AsyncDisposable {
  readonly address: string;
  /** Methods that clients have asked for, in their order. */
  readonly asked: readonly string[];
}

/**
 * Starts a camera: ffmpeg makes the packets (RTP) of a video, and a small server sends them as
 * RTSP 1.0 (RFC 2326) interleaved in its TCP connection, as cameras do behind
 * `-rtsp_transport tcp`.
 *
 * @param folder for the description of the stream
 * @param user name and password that clients must give (Basic)
 */
export async function startRtspCamera(
  ffmpeg: string,
  video: string,
  folder: string,
  user: { readonly name: string; readonly password: string },
): Promise<RtspCamera> {
  const asked: string[] = [];
  const wanted = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString("base64")}`;
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port: from } = socket.address();
  const sdp = join(folder, "camera.sdp");
  const stream = ["-re", "-stream_loop", "-1", "-i", video, "-an", "-c:v", "mpeg4", "-g", "5"];
  const sender: ChildProcess = spawn(
    ffmpeg,
    ["-v", "error", ...stream, "-f", "rtp", "-sdp_file", sdp, `rtp://127.0.0.1:${from}?pkt_size=1200`],
    { stdio: "ignore" },
  );
  let playing: Socket | undefined;
  socket.on("message", (packet) => {
    if (playing === undefined || playing.destroyed) return;
    const head = Buffer.from([0x24, 0, packet.length >> 8, packet.length & 255]);
    playing.write(Buffer.concat([head, packet]));
  });
  const description = async (): Promise<string> => {
    for (;;) {
      const text = await readFile(sdp, "utf8").catch(() => "");
      const media = text.slice(text.indexOf("v=0"));
      if (media.includes("m=video")) return media.replace(/m=video \d+/, "m=video 0").concat("a=control:track1\r\n");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => undefined);
    client.on("close", () => clients.delete(client));
    let text = "";
    client.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        void answer(client, request);
      }
    });
  });
  async function answer(client: Socket, request: string): Promise<void> {
    const [method = "", address = ""] = request.trimStart().split(" ");
    const header = (name: string): string => new RegExp(`^${name}: *(.*)$`, "im").exec(request)?.[1]?.trim() ?? "";
    asked.push(method);
    const reply = (status: string, lines: readonly string[] = [], body = ""): void => {
      const head = [`RTSP/1.0 ${status}`, `CSeq: ${header("CSeq")}`, ...lines];
      client.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    };
    if (method !== "OPTIONS" && header("Authorization") !== wanted)
      return reply("401 Unauthorized", ['WWW-Authenticate: Basic realm="camera"']);
    if (method === "OPTIONS") return reply("200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]);
    if (method === "DESCRIBE") {
      const body = await description();
      const lines = ["Content-Type: application/sdp", `Content-Base: ${address}/`, `Content-Length: ${body.length}`];
      return reply("200 OK", lines, body);
    }
    if (method === "SETUP") {
      if (!header("Transport").includes("TCP")) return reply("461 Unsupported Transport");
      return reply("200 OK", ["Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]);
    }
    reply("200 OK", ["Session: 1"]);
    if (method === "PLAY") playing = client;
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = server.address();
  const port = typeof place === "object" ? place?.port : 0;
  return {
    address: `rtsp://${user.name}:${user.password}@127.0.0.1:${port}/door`,
    asked,
    async [Symbol.asyncDispose]() {
      sender.kill("SIGKILL");
      socket.close();
      for (const client of clients) client.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
