import { itemAt } from "onnx-grad";
import { Type } from "typebox";
import { normaliseRows } from "../../matching/index.ts";
import type { App, ServerContext } from "../context.ts";
import { Problem } from "../problem.ts";
import { aboutFace, aboutProblem, describeAll, galleryOf, photosOf, seePhotos } from "./faces.ts";
import { allQuery, answers, faceFields, judgedFields, maybe, photoBody, photoQuery, strict } from "./schemas.ts";

const photoProblem = Type.Optional(Type.Object({ code: Type.String(), detail: Type.String() }));
const galleryQuery = {
  gallery: Type.Optional(Type.String({ description: "Whose model is used; that of the first gallery unless given" })),
};

const photoAnswer = <T extends Parameters<typeof Type.Object>[0]>(face: T) =>
  Type.Object({
    photos: Type.Array(
      Type.Object({
        photo: Type.String(),
        width: maybe(Type.Integer()),
        height: maybe(Type.Integer()),
        faces: Type.Array(Type.Object(face)),
        more: Type.Integer({ description: "Faces beyond the server's limit, which are left out" }),
        problem: photoProblem,
      }),
    ),
  });

/** `/v1/detect`, `/v1/embed` and `/v1/compare`: what can be asked without a gallery. */
export function recogniseRoutes(app: App, context: ServerContext): void {
  app.post(
    "/v1/detect",
    {
      config: { scope: "search" },
      schema: {
        tags: ["faces"],
        summary: "Find the faces of photos",
        description: photoBody,
        querystring: strict(photoQuery),
        response: answers(photoAnswer(faceFields)),
      },
    },
    async (request) => {
      const photos = await photosOf(request, context);
      const { crops } = request.query;
      const seen = await seePhotos(photos, { ...request.query, all: true }, request.deadline, context);
      return {
        photos: seen.map(({ name, seen: found }) =>
          found instanceof Problem
            ? { photo: name, width: null, height: null, faces: [], more: 0, problem: aboutProblem(found) }
            : {
                photo: name,
                width: found.width,
                height: found.height,
                more: found.more,
                faces: found.faces.map((face) => aboutFace(face, crops)),
              },
        ),
      };
    },
  );

  app.post(
    "/v1/embed",
    {
      config: { scope: "search" },
      schema: {
        tags: ["faces"],
        summary: "Embed the faces of photos",
        description: photoBody,
        querystring: strict({ ...photoQuery, ...allQuery, ...galleryQuery }),
        response: answers(
          photoAnswer({
            ...faceFields,
            ...judgedFields,
            embedding: Type.Array(Type.Number(), { description: "As the model gives it, not normalised" }),
          }),
        ),
      },
    },
    async (request) => {
      const gallery = galleryOf(context, request.query.gallery);
      const photos = await photosOf(request, context);
      const { crops } = request.query;
      const seen = await seePhotos(photos, request.query, request.deadline, context);
      const answer = seen.map(async ({ name, seen: found }) => {
        if (found instanceof Problem)
          return { photo: name, width: null, height: null, faces: [], more: 0, problem: aboutProblem(found) };
        const described = await describeAll(found.faces, gallery, request.deadline);
        const faces = found.faces.map((face, at) => {
          const { vector = new Float32Array(), alpha = 1, score = null } = described[at] ?? {};
          return { ...aboutFace(face, crops), alpha, quality: score, embedding: [...vector] };
        });
        return { photo: name, width: found.width, height: found.height, faces, more: found.more };
      });
      return { photos: await Promise.all(answer) };
    },
  );

  app.post(
    "/v1/compare",
    {
      config: { scope: "search" },
      schema: {
        tags: ["faces"],
        summary: "Compare the faces of two photos",
        description: photoBody,
        querystring: strict({ ...photoQuery, ...galleryQuery }),
        response: answers(
          Type.Object({
            cosine: Type.Number({ description: "Cosine of the two embeddings, -1 to 1" }),
            faces: Type.Array(Type.Object({ photo: Type.String(), ...faceFields, ...judgedFields })),
          }),
        ),
      },
    },
    async (request) => {
      const gallery = galleryOf(context, request.query.gallery);
      const photos = await photosOf(request, context);
      if (photos.length !== 2) throw new Problem(400, "invalid-request", `send two photos; these are ${photos.length}`);
      const seen = await seePhotos(photos, { ...request.query, all: false }, request.deadline, context);
      const faces = seen.map(({ name, seen: found }) => {
        if (found instanceof Problem) throw found;
        const [face] = found.faces;
        if (face === undefined) throw new Problem(422, "no-face", `${name}: no face was found`);
        return { name, face };
      });
      const described = await describeAll(
        faces.map(({ face }) => face),
        gallery,
        request.deadline,
      );
      const [one = new Float32Array(), other = one] = described.map(({ vector }) =>
        normaliseRows(vector, vector.length),
      );
      return {
        cosine: one.reduce((sum, value, at) => sum + value * itemAt(other, at), 0),
        faces: faces.map(({ name, face }, at) => ({
          photo: name,
          ...aboutFace(face, request.query.crops),
          alpha: described[at]?.alpha ?? 1,
          quality: described[at]?.score ?? null,
        })),
      };
    },
  );
}
