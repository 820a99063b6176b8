import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import type { Limits, Stock } from "../limits.ts";
import { Problem } from "../problem.ts";

/** A photo of a request. */
export interface UploadedPhoto {
  /** Name of the form's field. */
  readonly field: string;
  /** What answers call it: the name of the file, or `photo 1`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a request's body holds. */
export interface Upload {
  readonly photos: readonly UploadedPhoto[];
  /** Text fields of a form; of a JSON body everything but the photos. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Reads a stream into memory, which is counted. Throws a {@link Problem} where it is too much. */
export async function collect(stream: Readable, most: number, memory: Stock, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const parts: AsyncIterable<Buffer> = stream;
  for await (const chunk of parts) {
    length += chunk.length;
    if (length > most) throw new Problem(413, "too-large", `${what} has more than ${most.toLocaleString("en")} bytes`);
    if (!memory.take(chunk.length))
      throw new Problem(503, "busy", "the server holds as many requests as it can", { retryAfter: 1 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Counts the memory of one request, which is given back as a whole. */
export function memoryOf(all: Stock): Stock & { release(): void } {
  let used = 0;
  return {
    take(amount) {
      if (!all.take(amount)) return false;
      used += amount;
      return true;
    },
    give(amount) {
      all.give(amount);
      used -= amount;
    },
    release() {
      all.give(used);
      used = 0;
    },
    get used() {
      return used;
    },
  };
}

/** Most text fields of a form, and most bytes of each. */
const mostFields = 32;
const mostText = 64 * 1024;

/**
 * Reads the photos of a request: of a form every file, of JSON `photo` or `photos` in base64.
 *
 * @param names of fields that hold photos in JSON
 */
export async function readUpload(
  request: FastifyRequest,
  limits: Limits,
  names: readonly string[] = ["photo", "photos"],
): Promise<Upload> {
  return request.isMultipart() ? readForm(request, limits) : readJson(request, limits, names);
}

async function readForm(request: FastifyRequest, limits: Limits): Promise<Upload> {
  try {
    return await readParts(request, limits);
  } catch (error) {
    // The reader of forms throws plain errors for what is wrong with a form.
    if (error instanceof Problem || !(error instanceof Error) || "statusCode" in error) throw error;
    throw new Problem(400, "invalid-request", `the form cannot be read: ${error.message}`);
  }
}

async function readParts(request: FastifyRequest, limits: Limits): Promise<Upload> {
  const photos: UploadedPhoto[] = [];
  const fields: Record<string, unknown> = Object.create(null);
  const parts = request.parts({
    limits: {
      fileSize: limits.photoBytes + 1,
      files: limits.photos + 1,
      fields: mostFields,
      fieldSize: mostText,
      parts: limits.photos + mostFields + 1,
      headerPairs: 32,
      fieldNameSize: 200,
    },
  });
  for await (const part of parts) {
    if (part.type === "field") {
      if (part.valueTruncated) throw new Problem(413, "too-large", `the field ${part.fieldname} is too long`);
      fields[part.fieldname] = part.value;
      continue;
    }
    const number = photos.length + 1;
    if (number > limits.photos) throw tooMany(limits);
    const bytes = await collect(part.file, limits.photoBytes, request.memory, `photo ${number}`);
    photos.push({ field: part.fieldname, name: plainName(part.filename) || `photo ${number}`, bytes });
  }
  return { photos, fields };
}

const tooMany = ({ photos }: Limits): Problem =>
  new Problem(413, "too-many-photos", `a request may have ${photos} photos`);

/** A name for messages: what a client calls its file, without folders and control characters. */
function plainName(name: string | undefined): string {
  const last = (name ?? "").split(/[\\/]/).at(-1) ?? "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return last.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "").slice(0, 200);
}

function readJson(request: FastifyRequest, limits: Limits, names: readonly string[]): Upload {
  const body = request.body;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new Problem(400, "invalid-request", "send a form (multipart/form-data) or a JSON object");
  const photos: UploadedPhoto[] = [];
  const fields: Record<string, unknown> = Object.create(null);
  for (const [field, value] of Object.entries(body)) {
    if (!names.includes(field)) {
      fields[field] = value;
      continue;
    }
    for (const text of Array.isArray(value) ? value : [value]) {
      const number = photos.length + 1;
      if (number > limits.photos) throw tooMany(limits);
      photos.push({ field, name: `photo ${number}`, bytes: fromBase64(text, number, limits) });
    }
  }
  return { photos, fields };
}

function fromBase64(text: unknown, number: number, limits: Limits): Uint8Array {
  const plain = typeof text === "string" ? text.replace(/^data:[\w.+/-]{0,100};base64,/, "") : undefined;
  if (plain === undefined || !/^[A-Za-z0-9+/\r\n]*={0,2}\s*$/.test(plain))
    throw new Problem(400, "invalid-request", `photo ${number} is not base64`);
  const bytes = Buffer.from(plain, "base64");
  if (bytes.length > limits.photoBytes)
    throw new Problem(
      413,
      "too-large",
      `photo ${number} has more than ${limits.photoBytes.toLocaleString("en")} bytes`,
    );
  return bytes;
}
