import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../problem.ts";
import type { UploadedPhoto } from "./body.ts";

/** An answer: its status and its body. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Answers that are remembered, so that a request that is sent again is not done again. */
export interface Idempotency {
  /** Does the work of a write, or gives the answer that the same idempotency key got before. */
  answer(
    request: FastifyRequest,
    reply: FastifyReply,
    photos: readonly UploadedPhoto[],
    work: () => Promise<Answer>,
  ): Promise<FastifyReply>;
}

/** Answers that are kept, the last ones. */
const most = 1000;

/**
 * Opens an {@link Idempotency}. It is as old as the process; enrolling the same photo again is
 * harmless by itself.
 */
export function openIdempotency(): Idempotency {
  const known = new Map<string, { readonly print: string; readonly answer: Promise<Answer> }>();
  return {
    async answer(request, reply, photos, work) {
      const key = request.headers["idempotency-key"];
      const send = ({ status, body }: Answer): FastifyReply => reply.code(status).send(body);
      if (typeof key !== "string") return send(await work());
      if (key.length === 0 || key.length > 255)
        throw new Problem(400, "invalid-request", "an idempotency key has 1 to 255 characters");
      const print = printOf(request, photos);
      const place = JSON.stringify([request.caller.id, key]);
      let entry = known.get(place);
      if (entry === undefined) {
        entry = { print, answer: work() };
        known.set(place, entry);
        // What failed may be tried again.
        entry.answer.catch(() => known.delete(place));
        for (const old of known.keys()) {
          if (known.size <= most) break;
          known.delete(old);
        }
      } else {
        if (entry.print !== print)
          throw new Problem(422, "reused-key", "this idempotency key came with another request before");
        reply.header("idempotency-replayed", "true");
      }
      return send(await entry.answer);
    },
  };
}

/** What makes two requests the same. */
function printOf({ method, url, body }: FastifyRequest, photos: readonly UploadedPhoto[]): string {
  const hash = createHash("sha256").update(`${method} ${url}\n`);
  for (const { name, bytes } of photos) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  if (photos.length === 0) hash.update(JSON.stringify(body ?? null));
  return hash.digest("hex");
}
