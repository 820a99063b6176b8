import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, PetalfaceError } from "../../errors.ts";
import type { ServerContext } from "../context.ts";
import { Problem, type ProblemCode, problemTitles } from "../problem.ts";

/** What keeps a gallery from being read or written, and may pass. */
const passing: ReadonlySet<ErrorCode> = new Set(["PETAL_BUSY", "PETAL_DATABASE_FAILED", "PETAL_OUTPUT_FAILED"]);
/** What no client can have caused. */
const internal: ReadonlySet<ErrorCode> = new Set([
  "PETAL_GALLERY_DAMAGED",
  "PETAL_ENGINE_FAILED",
  "PETAL_SYSTEM_FAILED",
]);

/**
 * Any error as a {@link Problem}; undefined where it is a fault of the server.
 *
 * @param note takes what clients are not shown: it may name files of the server
 */
export function problemOf(error: unknown, note: (line: string) => void): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof PetalfaceError && error.code === "PETAL_THREAD_ENDED")
    return new Problem(503, "restarting", error.message, { retryAfter: 1 });
  if (error instanceof PetalfaceError && passing.has(error.code)) {
    note(error.message);
    return new Problem(503, "unavailable", "the gallery cannot be read or written now", { retryAfter: 5 });
  }
  if (error instanceof PetalfaceError && internal.has(error.code)) return undefined;
  if (error instanceof PetalfaceError) return new Problem(422, "invalid-request", error.message);
  if (!(error instanceof Error)) return undefined;
  if (error.name === "TimeoutError" || error.name === "AbortError")
    return new Problem(503, "timeout", "the request took longer than this server allows", { retryAfter: 1 });
  const { code = "", statusCode = 500, validation } = error as Partial<FastifyError>;
  if (validation !== undefined) return new Problem(400, "invalid-request", error.message);
  const known = fastifyCodes[code];
  if (known !== undefined) return new Problem(known[0], known[1], known[2] ?? error.message);
  // What the framework and the reader of forms find wrong with a request.
  return statusCode >= 400 && statusCode < 500 ? new Problem(statusCode, "invalid-request", error.message) : undefined;
}

const fastifyCodes: Readonly<Record<string, readonly [number, ProblemCode, string?]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, "too-large"],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, "unsupported-type", "send a form (multipart/form-data) or JSON"],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, "invalid-request"],
  FST_FILES_LIMIT: [413, "too-many-photos"],
  FST_PARTS_LIMIT: [413, "too-many-photos"],
  FST_FIELDS_LIMIT: [413, "too-large"],
  FST_REQ_FILE_TOO_LARGE: [413, "too-large"],
  FST_PROTO_VIOLATION: [400, "invalid-request", "this field name is not allowed"],
  // A form that ends too early.
  ERR_STREAM_PREMATURE_CLOSE: [400, "invalid-request", "the form ends too early"],
};

/**
 * Reads the rest of a body that is refused, and throws it away: clients that are still writing
 * would not read the answer otherwise. The server's limit of time holds for it.
 */
export function discardBody({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.unpipe();
  raw.resume();
}

/** Answers an error as RFC 9457 says. No stack trace leaves the server. */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
): void {
  let problem = problemOf(error, context.note);
  if (problem === undefined) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    context.note(
      `internal error in ${request.method} ${request.routeOptions.url ?? "?"}, request ${request.id}: ${text}`,
    );
    problem = new Problem(500, "internal", `see the server's log for request ${request.id}`);
  }
  if (problem.status === 503) context.metrics.rejected();
  if (problem.retryAfter !== undefined) reply.header("retry-after", String(problem.retryAfter));
  if (problem.status === 401)
    reply.header(
      "www-authenticate",
      (request.headers.accept ?? "").includes("text/html")
        ? 'Basic realm="petalface: any user, the key as the password", charset="UTF-8"'
        : 'Bearer realm="petalface"',
    );
  discardBody(request);
  reply
    .code(problem.status)
    .type("application/problem+json")
    .send({
      type: `urn:petalface:problem:${problem.code}`,
      title: problemTitles[problem.code],
      status: problem.status,
      detail: problem.message,
      code: problem.code,
      request: request.id,
      ...problem.more,
    });
}
