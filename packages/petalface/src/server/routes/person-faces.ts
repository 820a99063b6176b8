import { Type } from "typebox";
import type { Enrolment } from "../../gallery/index.ts";
import type { App, ServerContext } from "../context.ts";
import type { NamedFace, ServedGallery } from "../gallery/served.ts";
import { imageType } from "../http/image-type.ts";
import { Problem } from "../problem.ts";
import { aboutProblem, galleryOf, photosOf, seePhotos } from "./faces.ts";
import { personOf } from "./people.ts";
import { answers, maybe, personParams, photoBody, photoQuery, removal, strict } from "./schemas.ts";

const enrolled = Type.Object({
  person: Type.String(),
  added: Type.Integer({ description: "Faces that are enrolled now; they are on the disk" }),
  known: Type.Integer({ description: "Pictures that the person had already" }),
  people: Type.Integer({ description: "1 where the person is new" }),
  compared: Type.Boolean({ description: "false: too few people are enrolled to see by faces whether a name is wrong" }),
  forced: Type.Boolean(),
  refused: Type.Array(
    Type.Object({
      photo: Type.String(),
      reason: Type.String(),
      like: Type.Optional(Type.String({ description: "The person that it looks like" })),
      cosine: Type.Optional(Type.Number()),
    }),
    { description: "What the gate objects to" },
  ),
  leftOut: Type.Array(Type.Object({ photo: Type.String(), code: Type.String(), detail: Type.String() })),
});
const tags = ["people"];

/** Faces of one person of a gallery. */
export function personFaceRoutes(app: App, context: ServerContext): void {
  app.post(
    "/v1/galleries/:gallery/people/:person/faces",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Enrol faces of a person",
        description: `${photoBody} One face of each photo is enrolled: the one that the photo is of. 201: at least one is new. 200: the person had all of them already. 422: none was enrolled, and why.`,
        params: personParams,
        querystring: strict({
          aligned: photoQuery.aligned,
          minScore: photoQuery.minScore,
          force: Type.Optional(Type.Boolean({ description: "Enrol also what the gate objects to (default false)" })),
        }),
        response: answers(enrolled, { 201: enrolled }),
      },
    },
    async (request, reply) => {
      const photos = await photosOf(request, context);
      return context.idempotency.answer(request, reply, photos, async () => {
        const { params, query } = request;
        const gallery = galleryOf(context, params.gallery);
        const seen = await seePhotos(photos, { ...query, crops: true }, request.deadline, context);
        const leftOut = seen.flatMap(({ name: photo, seen: found }) => {
          if (found instanceof Problem) return [{ photo, ...aboutProblem(found) }];
          return found.faces.length === 0 ? [{ photo, code: "no-face", detail: "no face was found" }] : [];
        });
        const faces = seen.flatMap(({ name, seen: found }, at): NamedFace[] => {
          const face = found instanceof Problem ? undefined : found.faces[0];
          return face === undefined ? [] : [{ id: `${at} ${name}`, face }];
        });
        if (faces.length === 0)
          throw new Problem(422, "no-face", "no photo shows a face that can be enrolled", { leftOut });
        const force = query.force === true;
        const enrolment = await gallery.enrol(params.person, faces, force, request.deadline);
        const body = aboutEnrolment(params.person, enrolment, force, leftOut);
        if (enrolment.added + enrolment.known === 0)
          throw new Problem(422, "refused", "the gate refuses every face; force=true enrols them all the same", body);
        return { status: enrolment.added > 0 ? 201 : 200, body };
      });
    },
  );

  app.get(
    "/v1/galleries/:gallery/people/:person/faces",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "List the faces of a person",
        params: personParams,
        response: answers(
          Type.Object({
            person: Type.String(),
            faces: Type.Array(
              Type.Object({
                id: Type.Integer(),
                alpha: Type.Number(),
                quality: maybe(Type.Number()),
                crop: Type.Boolean(),
              }),
            ),
          }),
        ),
      },
    },
    async ({ params }) => {
      const gallery = galleryOf(context, params.gallery);
      return { person: params.person, faces: await facesOf(gallery, params.person) };
    },
  );

  app.delete(
    "/v1/galleries/:gallery/people/:person/faces/:face",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Delete one face; the person goes with the last one",
        params: Type.Object({ ...personParams.properties, face: Type.Integer({ minimum: 0 }) }),
        response: answers(removal),
      },
    },
    (request, reply) =>
      context.idempotency.answer(request, reply, [], async () => {
        const { params } = request;
        const gallery = galleryOf(context, params.gallery);
        await personOf(gallery, params.person);
        const removed = await gallery.removeFaces(params.person, [params.face], request.deadline);
        if (removed.faces === 0) throw new Problem(404, "not-found", "this person has no face of this id");
        return { status: 200, body: { person: params.person, ...removed } };
      }),
  );

  app.get(
    "/v1/galleries/:gallery/people/:person/faces/:face/crop",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "The picture that is kept of a face, where the gallery keeps pictures",
        params: Type.Object({ ...personParams.properties, face: Type.Integer({ minimum: 0 }) }),
      },
    },
    async ({ params }, reply) => {
      const gallery = galleryOf(context, params.gallery);
      const own = await facesOf(gallery, params.person);
      const crop = own.some(({ id }) => id === params.face) ? await gallery.store.crop(params.face) : null;
      if (crop === null) throw new Problem(404, "not-found", "no picture is kept of this face");
      return reply.type(imageType(crop)).send(Buffer.from(crop));
    },
  );
}

/** Faces of a person. Throws a {@link Problem}. */
async function facesOf(gallery: ServedGallery, name: string) {
  const { id } = await personOf(gallery, name);
  const { faces, alpha, score } = await gallery.store.read({ people: [id] });
  return [...faces].map((face, at) => {
    const quality = score[at] ?? Number.NaN;
    return {
      id: face,
      alpha: alpha[at] ?? 1,
      quality: Number.isNaN(quality) ? null : quality,
      crop: gallery.store.settings.keepCrops,
    };
  });
}

function aboutEnrolment(
  name: string,
  { added, known, people, compared, refused }: Enrolment,
  forced: boolean,
  leftOut: readonly { readonly photo: string; readonly code: string; readonly detail: string }[],
) {
  return {
    person: name,
    added,
    known,
    people,
    compared,
    forced,
    leftOut,
    refused: refused.map(({ id, reason, like, cosine }) => ({
      photo: id.slice(id.indexOf(" ") + 1),
      reason,
      ...(like !== undefined && { like }),
      ...(cosine !== undefined && { cosine }),
    })),
  };
}
