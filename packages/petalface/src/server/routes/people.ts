import { Type } from "typebox";
import type { Enrolment, Person } from "../../gallery/index.ts";
import type { App, ServerContext } from "../context.ts";
import type { NamedFace, ServedGallery } from "../gallery/served.ts";
import { Problem } from "../problem.ts";
import { aboutProblem, galleryOf, photosOf, seePhotos } from "./faces.ts";
import { answers, galleryParams, maybe, personName, photoBody, photoQuery, strict } from "./schemas.ts";

const person = Type.Object({
  name: Type.String(),
  faces: Type.Integer(),
  lowestAlpha: Type.Number({ description: "Lowest quality of the faces" }),
  added: Type.String({ description: "ISO 8601, UTC" }),
});
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
const removal = Type.Object({
  person: Type.String(),
  faces: Type.Integer({ description: "Faces that were deleted" }),
  fragments: Type.Integer({ description: "Pieces of them that were looked for in the gallery's files" }),
  found: Type.Integer({ description: "Pieces that are still there: another process reads an older state" }),
});

const personParams = Type.Object({ ...galleryParams, person: personName });
const tags = ["people"];

/** People of a gallery, and their faces. */
export function peopleRoutes(app: App, context: ServerContext): void {
  app.get(
    "/v1/galleries",
    {
      config: { scope: "search" },
      schema: {
        tags: ["galleries"],
        summary: "List the galleries",
        response: answers(
          Type.Object({
            galleries: Type.Array(
              Type.Object({
                name: Type.String(),
                people: Type.Integer(),
                faces: Type.Integer(),
                model: Type.String(),
                adapter: maybe(Type.String(), "Hash of the adapter"),
                size: Type.Integer({ description: "Pixels of an aligned face's side" }),
                keepsCrops: Type.Boolean(),
                thresholds: maybe(Type.Unknown()),
              }),
            ),
          }),
        ),
      },
    },
    async () => ({
      galleries: await Promise.all([...context.galleries.values()].map(aboutGallery)),
    }),
  );

  app.get(
    "/v1/galleries/:gallery/people",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "List the people of a gallery, by name",
        params: Type.Object(galleryParams),
        querystring: strict({
          limit: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 1000, description: "People of a page (default 100)" }),
          ),
          cursor: Type.Optional(Type.String({ maxLength: 1000, description: "`next` of the page before" })),
          find: Type.Optional(Type.String({ maxLength: 200, description: "Only names with this text in them" })),
        }),
        response: answers(
          Type.Object({
            people: Type.Array(person),
            total: Type.Integer(),
            next: maybe(Type.String(), "Cursor of the next page; null at the end"),
          }),
        ),
      },
    },
    async ({ params, query }) => {
      const { limit = 100, cursor, find = "" } = query;
      const after = cursor === undefined ? undefined : nameOfCursor(cursor);
      const wanted = find.toLocaleLowerCase();
      return galleryOf(context, params.gallery).use(async ({ people }) => {
        const found = people.filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
        const rest = after === undefined ? found : found.filter(({ name }) => name > after);
        const page = rest.slice(0, limit);
        const last = page.at(-1);
        const next = rest.length > limit && last !== undefined ? cursorOf(last.name) : null;
        return { people: page.map(aboutPerson), total: found.length, next };
      });
    },
  );

  app.patch(
    "/v1/galleries/:gallery/people/:person",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Rename a person, or make two people one",
        description: "Where somebody has the new name already, `merge: true` makes both one person.",
        params: personParams,
        body: Type.Object({ name: personName, merge: Type.Optional(Type.Boolean()) }),
        response: answers(Type.Object({ person: Type.String(), merged: Type.Boolean() })),
      },
    },
    (request, reply) =>
      context.idempotency.answer(request, reply, [], async () => {
        const { params, body } = request;
        const gallery = galleryOf(context, params.gallery);
        const known = await gallery.use(async ({ people }) => people.map(({ name }) => name));
        if (!known.includes(params.person)) throw noPerson();
        if (known.includes(body.name) && body.name !== params.person && body.merge !== true)
          throw new Problem(
            409,
            "wrong-state",
            "somebody has this name already; give merge: true to make both one person",
          );
        return { status: 200, body: { person: body.name, merged: await gallery.rename(params.person, body.name) } };
      }),
  );

  app.delete(
    "/v1/galleries/:gallery/people/:person",
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Delete a person with all faces, and look whether anything of them is left in the files",
        params: personParams,
        response: answers(removal),
      },
    },
    (request, reply) =>
      context.idempotency.answer(request, reply, [], async () => {
        const gallery = galleryOf(context, request.params.gallery);
        await personOf(gallery, request.params.person);
        const removed = await gallery.removePerson(request.params.person);
        return { status: 200, body: { person: request.params.person, ...removed } };
      }),
  );

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
        const removed = await gallery.removeFaces(params.person, [params.face]);
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

const noPerson = (): Problem => new Problem(404, "not-found", "no person of this name is enrolled");

/** A person by name. Throws a {@link Problem}. */
export const personOf = (gallery: ServedGallery, name: string): Promise<Person> =>
  gallery.use(async ({ people }) => {
    const found = people.find((one) => one.name === name);
    if (found === undefined) throw noPerson();
    return found;
  });

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

const aboutPerson = ({ name, faces, lowestAlpha, added }: Person) => ({ name, faces, lowestAlpha, added });

const aboutGallery = (gallery: ServedGallery) =>
  gallery.use(async ({ people, searcher, thresholds }) => {
    const { record } = gallery.recogniser.model;
    return {
      name: gallery.name,
      people: people.length,
      faces: searcher.faces,
      model: record.space.model,
      adapter: record.adapter,
      size: record.space.size,
      keepsCrops: gallery.store.settings.keepCrops,
      thresholds: thresholds ?? null,
    };
  });

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

/** Cursors are names, written as base64, since clients are to pass them on unchanged. */
const cursorOf = (name: string): string => Buffer.from(name).toString("base64url");
const nameOfCursor = (cursor: string): string => Buffer.from(cursor, "base64url").toString();

/** By the first bytes. Pictures that are kept are of the formats that are read. */
export function imageType(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\x89PNG")) return "image/png";
  if (head.startsWith("\xff\xd8")) return "image/jpeg";
  if (head.startsWith("GIF8")) return "image/gif";
  if (head.startsWith("RIFF")) return "image/webp";
  return head.startsWith("ftyp", 4) ? "image/avif" : "image/tiff";
}
