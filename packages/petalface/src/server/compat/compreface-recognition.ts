import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { normaliseRows } from "../../matching/index.ts";
import type { App, ServerContext } from "../context.ts";
import { readUpload } from "../http/body.ts";
import { describeAll } from "../routes/faces.ts";
import {
  aboutFace,
  type CompreFace,
  type CompreFaceQuery,
  compreFaceFields,
  compreFaceQuery,
  facesIn,
  fileOf,
} from "./compreface-common.ts";
import { similarityOf } from "./similarity.ts";

const tags = ["CompreFace"];
const querystring = Type.Object(compreFaceQuery);

/** Recognition, detection and verification. */
export function recognitionRoutes(app: App, { context, gallery }: CompreFace): void {
  app.post(
    "/api/v1/recognition/recognize",
    { config: { scope: "search" }, schema: { tags, summary: "Say who the faces of a photo are", querystring } },
    async (request) => {
      const { query, deadline } = request;
      const { faces, ...moments } = await readFaces(request, query, context);
      const described = await describeAll(faces, gallery, deadline);
      const top = query.prediction_count ?? 1;
      const result = await Promise.all(
        faces.map(async (face, at) => {
          const { vector = new Float32Array(), alpha = 1 } = described[at] ?? {};
          const probe = { unit: normaliseRows(vector, vector.length), alpha };
          const { candidates, state } = await gallery.search(probe, top, deadline);
          const subjects = candidates.map(({ person, cosine }) => ({
            subject: state.byId.get(person)?.name ?? "",
            similarity: similarityOf(cosine, alpha, state),
          }));
          return { ...aboutFace(face, described[at], query), subjects, ...times(query.status, moments) };
        }),
      );
      return { result, ...versions(query.status, gallery.recogniser.model.record.space.model) };
    },
  );

  app.post(
    "/api/v1/detection/detect",
    { config: { scope: "search" }, schema: { tags, summary: "Find the faces of a photo", querystring } },
    async (request) => {
      const { query, deadline } = request;
      const { faces, ...moments } = await readFaces(request, query, context);
      const isWanted = (query.face_plugins ?? "").includes("calculator");
      const described = isWanted ? await describeAll(faces, gallery, deadline) : [];
      const result = faces.map((face, at) => ({
        ...aboutFace(face, described[at], query),
        ...times(query.status, moments),
      }));
      return { result, ...versions(query.status, gallery.recogniser.model.record.space.model) };
    },
  );

  app.post(
    "/api/v1/verification/verify",
    { config: { scope: "search" }, schema: { tags, summary: "Compare the faces of two photos", querystring } },
    async (request) => {
      const { query, deadline } = request;
      const { photos } = await readUpload(request, context.limits, compreFaceFields);
      const [source, target] = [fileOf(photos, "source_image"), fileOf(photos, "target_image")];
      const [one, ...others] = [
        ...(await facesIn(source, { ...query, limit: 1 }, deadline, context)),
        ...(await facesIn(target, query, deadline, context)),
      ];
      if (one === undefined) throw new Error("a photo without faces passed");
      const described = await describeAll([one, ...others], gallery, deadline);
      const units = described.map(({ vector }) => normaliseRows(vector, vector.length));
      const face_matches = await gallery.use(async (state) =>
        others.map((face, at) => {
          const other = units[at + 1] ?? new Float32Array();
          const cosine = (units[0] ?? other).reduce((sum, value, place) => sum + value * (other[place] ?? 0), 0);
          const alpha = Math.min(described[0]?.alpha ?? 1, described[at + 1]?.alpha ?? 1);
          return { ...aboutFace(face, described[at + 1], query), similarity: similarityOf(cosine, alpha, state) };
        }),
      );
      return { result: [{ source_image_face: aboutFace(one, described[0], query), face_matches }] };
    },
  );
}

/** The faces of the photo `file`, and the moments around the search for them. */
async function readFaces(request: FastifyRequest, query: CompreFaceQuery, context: ServerContext) {
  const { photos } = await readUpload(request, context.limits, compreFaceFields);
  const start = performance.now();
  const faces = await facesIn(fileOf(photos, "file"), query, request.deadline, context);
  return { faces, start, detected: performance.now() };
}

const isTrue = (status: string | undefined): boolean => status?.toLowerCase() === "true";

/** Milliseconds, where the client asks for them. */
const times = (status: string | undefined, { start, detected }: { start: number; detected: number }) =>
  isTrue(status)
    ? {
        execution_time: {
          detector: Math.round(detected - start),
          calculator: Math.round(performance.now() - detected),
        },
      }
    : {};

const versions = (status: string | undefined, model: string) =>
  isTrue(status) ? { plugins_versions: { detector: "petalface", calculator: `petalface.${model}` } } : {};
