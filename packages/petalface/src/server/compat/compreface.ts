import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { App, ServerContext } from "../context.ts";
import { discardBody, problemOf } from "../http/errors.ts";
import type { ProblemCode } from "../problem.ts";
import { galleryOf } from "../routes/faces.ts";
import { type CompreFace, CompreFaceError } from "./compreface-common.ts";
import { faceRoutes } from "./compreface-faces.ts";
import { recognitionRoutes } from "./compreface-recognition.ts";
import { subjectRoutes } from "./compreface-subjects.ts";

/** CompreFace's codes for our problems; all others are 0, its code for what it does not name. */
const codes: Partial<Readonly<Record<ProblemCode, number>>> = {
  "no-face": 28,
  "several-faces": 31,
  "unreadable-photo": 21,
  "invalid-request": 26,
  refused: 26,
  "no-photo": 34,
  unauthorised: 10,
  forbidden: 10,
};

/**
 * CompreFace's REST routes on the first gallery, so that its clients work with another address:
 * recognition, faces, subjects, detection, verification. Errors are `{message, code}` as there.
 */
export function compreFaceRoutes(app: App, context: ServerContext): void {
  app.register(async (plain) => {
    plain.setErrorHandler((error, request, reply) => {
      if (error instanceof CompreFaceError)
        return reply.code(error.status).send({ message: error.message, code: error.code });
      const problem = problemOf(error, context.note);
      // The handler of all other routes answers it.
      if (problem === undefined) throw error;
      const { status, retryAfter, message } = problem;
      if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
      if (status === 503) context.metrics.rejected();
      discardBody(request);
      // CompreFace answers photos that it cannot use with 400.
      return reply.code(status === 422 ? 400 : status).send({ message, code: codes[problem.code] ?? 0 });
    });
    const scope = plain.withTypeProvider<TypeBoxTypeProvider>();
    const facade: CompreFace = { context, gallery: galleryOf(context) };
    recognitionRoutes(scope, facade);
    faceRoutes(scope, facade);
    subjectRoutes(scope, facade);
  });
}
