import type { ChildProcess } from "node:child_process";
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { delimiter, join } from "node:path";
import { onDisk } from "../disk-names.ts";
import { PetalfaceError } from "../errors.ts";
import { type Pixels, printPath } from "../images/index.ts";
import { refusePlaceholderAt } from "../placeholder.ts";
import { cannotStart, startProgram } from "../programs.ts";

/** Path of the ffmpeg program that the PATH names; undefined where there is none. */
export function findFfmpeg(path: string = process.env.PATH ?? ""): string | undefined {
  const name = process.platform === "win32" ? "ffmpeg.exe" : "ffmpeg";
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Larger frames than this (8K) are not a video but a mistake, or an attack. */
const mostPixels = 36_000_000;

/**
 * Frames of a video, `perSecond` of them a second, upright, read one at a time as they are asked
 * for.
 *
 * @throws PetalfaceError where ffmpeg cannot read it, or finds no frame in it
 */
export async function* videoFrames(ffmpeg: string, path: string, perSecond: number): AsyncGenerator<Pixels> {
  // Given as a file URL of its own protocol, so that a name like "concat:..." is a file and nothing
  // else. A name that is no UTF-8 cannot be an argument: ffmpeg gets the open file.
  const place = onDisk(path);
  const handle = typeof place === "string" ? undefined : openSync(place, "r");
  const from = handle === undefined ? `file:${path}` : "file:/dev/fd/3";
  let child: ChildProcess;
  try {
    child = startProgram("ffmpeg", ffmpeg, argumentsFor(["-i", from], perSecond), {
      stdio: ["ignore", "pipe", "pipe", handle ?? "ignore"],
    });
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
  yield* framesOfChild(child, printPath(path), async () => refusePlaceholderAt(path, printPath(path)));
}

/**
 * Frames of a camera's stream, such as `rtsp://CAMERA/stream`, `perSecond` of them a second, as
 * they come. RTSP goes over TCP: lost packets of UDP damage frames.
 *
 * @param shown what messages call it: addresses may hold passwords
 * @throws PetalfaceError where ffmpeg cannot read it, or it breaks off with an error
 */
export async function* streamFrames(
  ffmpeg: string,
  address: string,
  shown: string,
  perSecond: number,
): AsyncGenerator<Pixels> {
  const transport = /^rtsps?:/i.test(address) ? ["-rtsp_transport", "tcp"] : [];
  const args = argumentsFor([...transport, "-i", address], perSecond);
  const child = startProgram("ffmpeg", ffmpeg, args, { stdio: ["ignore", "pipe", "pipe"] });
  yield* framesOfChild(child, shown, async () => {});
}

const argumentsFor = (input: readonly string[], perSecond: number): string[] => [
  ...["-v", "error", "-nostdin", ...input, "-an", "-sn", "-dn", "-vf", `fps=${perSecond}`],
  ...["-f", "image2pipe", "-c:v", "ppm", "-"],
];

/** @param whenEmpty called where there was no frame, to find out why */
async function* framesOfChild(
  child: ChildProcess,
  shown: string,
  whenEmpty: () => Promise<void>,
): AsyncGenerator<Pixels> {
  const ended = ending(child);
  // Awaited below; a program that does not start fails before that.
  ended.catch(() => {});
  let complaint = "";
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("ffmpeg was started without pipes");
  stderr.on("data", (chunk: Buffer) => {
    if (complaint.length < 4096) complaint += chunk.toString();
  });
  try {
    let count = 0;
    for await (const frame of ppmFrames(stdout)) {
      count++;
      yield frame;
    }
    const code = await ended;
    if (count === 0) await whenEmpty();
    // ffmpeg names the address with its password.
    const why = (complaint.trim().split("\n").at(-1) ?? "").replaceAll(/\/\/[^/@\s]*@/g, "//");
    if (code !== 0)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `ffmpeg cannot read ${shown}: ${why || typeof code === "string" ? `it was ended by ${code}` : `exit code ${code}`}`,
      );
    if (count === 0) throw new PetalfaceError("PETAL_DATA_DAMAGED", `${shown} holds no frame${why && `: ${why}`}`);
  } finally {
    child.kill("SIGKILL");
    await ended.catch(() => {});
  }
}

/** The exit code, or the name of the signal that ended the program. */
async function ending(child: ChildProcess): Promise<number | string | null> {
  return await new Promise((resolve, reject) => {
    child.on("error", (cause) => reject(cannotStart("ffmpeg", cause)));
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
}

/**
 * Binary PPM images one after another: `P6 WIDTH HEIGHT 255` and the bytes. Throws PetalfaceError
 * for anything else.
 */
export async function* ppmFrames(stream: AsyncIterable<Buffer>): AsyncGenerator<Pixels> {
  let head = Buffer.alloc(0);
  let frame: { readonly pixels: Pixels; filled: number } | undefined;
  for await (const chunk of stream) {
    let rest: Buffer = head.length > 0 ? Buffer.concat([head, chunk]) : chunk;
    head = Buffer.alloc(0);
    while (rest.length > 0) {
      if (frame === undefined) {
        const start = readHead(rest);
        if (start === undefined) {
          head = Buffer.from(rest);
          break;
        }
        const { width, height, length } = start;
        frame = { pixels: { width, height, data: new Uint8Array(3 * width * height) }, filled: 0 };
        rest = rest.subarray(length);
      }
      const { data } = frame.pixels;
      const part = rest.subarray(0, data.length - frame.filled);
      data.set(part, frame.filled);
      frame.filled += part.length;
      rest = rest.subarray(part.length);
      if (frame.filled === data.length) {
        yield frame.pixels;
        frame = undefined;
      }
    }
  }
  if (frame !== undefined || head.length > 0)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", "ffmpeg stopped within a frame");
}

/** Undefined where the head is not complete yet. */
function readHead(
  bytes: Buffer,
): { readonly width: number; readonly height: number; readonly length: number } | undefined {
  const text = bytes.toString("latin1", 0, 40);
  const match = /^P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s/.exec(text);
  if (match !== null) {
    const [width, height] = [Number(match[1]), Number(match[2])];
    if (width * height === 0 || width * height > mostPixels)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `a frame of ${width} x ${height} pixels cannot be aligned`);
    return { width, height, length: match[0].length };
  }
  if (bytes.length >= 40) throw new PetalfaceError("PETAL_DATA_DAMAGED", "ffmpeg gave something other than frames");
  return undefined;
}
