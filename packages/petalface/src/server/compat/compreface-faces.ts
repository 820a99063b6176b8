import { Type } from "typebox";
import { normaliseRows } from "../../matching/index.ts";
import type { App } from "../context.ts";
import type { ServedGallery } from "../gallery/served.ts";
import { readUpload } from "../http/body.ts";
import { imageType } from "../http/image-type.ts";
import { Problem } from "../problem.ts";
import { describeAll } from "../routes/faces.ts";
import { personName } from "../routes/schemas.ts";
import {
  aboutFace,
  type CompreFace,
  CompreFaceError,
  compreFaceFields,
  compreFaceQuery,
  facesIn,
  fileOf,
} from "./compreface-common.ts";
import { similarityOf } from "./similarity.ts";

const tags = ["CompreFace"];
const path = "/api/v1/recognition/faces";
const params = Type.Object({ image: Type.String({ maxLength: 64 }) });

/** CompreFace's ids are UUIDs; ours are numbers, written at the end of one. */
const imageId = (face: number): string => `00000000-0000-4000-8000-${face.toString(16).padStart(12, "0")}`;

/** The number in an id. Throws {@link CompreFaceError} where it is none of ours. */
function faceOfId(id: string): number {
  const match = /^00000000-0000-4000-8000-([0-9a-f]{12})$/.exec(id.toLowerCase());
  if (match === null) throw noImage();
  return Number.parseInt(match[1] ?? "", 16);
}

const noImage = (): CompreFaceError => new CompreFaceError(404, 44, "Embedding not found");

/** Examples of subjects: add, list, delete, compare with. */
export function faceRoutes(app: App, { context, gallery }: CompreFace): void {
  app.post(
    path,
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Enrol the one face of a photo",
        querystring: Type.Object({
          subject: Type.Optional(personName),
          det_prob_threshold: compreFaceQuery.det_prob_threshold,
          force: Type.Optional(Type.Boolean({ description: "Enrol also what petalface's gate objects to" })),
        }),
      },
    },
    async (request, reply) => {
      const { query, deadline } = request;
      const { photos, fields } = await readUpload(request, context.limits, compreFaceFields);
      const subject = query.subject ?? (typeof fields.subject === "string" ? fields.subject : undefined);
      if (subject === undefined || subject === "")
        throw new CompreFaceError(400, 33, "Required parameter 'subject' is not present");
      const faces = await facesIn(fileOf(photos, "file"), query, deadline, context);
      const [face] = faces;
      if (face === undefined || faces.length > 1)
        throw new Problem(422, "several-faces", "Found more than one face in the given image");
      const named = [{ id: "photo", face }];
      const enrolment = await gallery.enrol(subject, named, query.force === true, deadline);
      const [refusal] = enrolment.refused;
      if (enrolment.added + enrolment.known === 0)
        throw new Problem(
          422,
          "refused",
          `petalface's gate refuses this photo: ${refusal?.reason ?? "unknown"} (force=true enrols it)`,
        );
      const [id] = await gallery.idsOf(subject, named);
      if (id === undefined) throw new Error("an enrolled face has no id");
      return reply.code(201).send({ image_id: imageId(id), subject });
    },
  );

  app.get(
    path,
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "List the examples",
        querystring: Type.Object({
          page: Type.Optional(Type.Integer({ minimum: 0 })),
          size: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          subject: Type.Optional(Type.String()),
        }),
      },
    },
    async ({ query }) => {
      const { page = 0, size = 20, subject } = query;
      const all = await examples(gallery, subject);
      return {
        faces: all.slice(page * size, (page + 1) * size),
        page_number: page,
        page_size: size,
        total_pages: Math.ceil(all.length / size),
        total_elements: all.length,
      };
    },
  );

  app.delete(
    path,
    {
      config: { scope: "enrol" },
      schema: {
        tags,
        summary: "Delete all examples of a subject, or of everybody",
        querystring: Type.Object({ subject: Type.Optional(Type.String()) }),
      },
    },
    async ({ query, deadline }) => {
      const people = await gallery.use(async (state) => state.people);
      const wanted = query.subject === undefined ? people : people.filter(({ name }) => name === query.subject);
      let deleted = 0;
      for (const { name } of wanted) deleted += (await gallery.removePerson(name, deadline)).faces;
      return { deleted };
    },
  );

  const remove = async (id: string, signal: AbortSignal) => {
    const face = faceOfId(id);
    const found = (await examples(gallery)).find(({ image_id }) => image_id === imageId(face));
    if (found === undefined) throw noImage();
    await gallery.removeFaces(found.subject, [face], signal);
    return found;
  };

  app.delete(
    `${path}/:image`,
    { config: { scope: "enrol" }, schema: { tags, summary: "Delete an example", params } },
    async (request) => remove(request.params.image, request.deadline),
  );

  app.post(
    `${path}/delete`,
    {
      config: { scope: "enrol" },
      schema: { tags, summary: "Delete examples", body: Type.Array(Type.String(), { maxItems: 10_000 }) },
    },
    async ({ body, deadline }) => {
      const faces = [];
      for (const id of body) {
        const gone = await remove(id, deadline).catch((error: unknown) => {
          // What is not there is left out of the answer, as CompreFace does.
          if (error instanceof CompreFaceError) return undefined;
          throw error;
        });
        if (gone !== undefined) faces.push(gone);
      }
      return { faces };
    },
  );

  app.get(
    `${path}/:image/img`,
    {
      config: { scope: "enrol" },
      schema: { tags, summary: "The picture of an example, where the gallery keeps it", params },
    },
    async (request, reply) => {
      const crop = await gallery.store.crop(faceOfId(request.params.image));
      if (crop === null) throw new CompreFaceError(404, 11, "Image not found");
      return reply.type(imageType(crop)).send(Buffer.from(crop));
    },
  );

  app.post(
    `${path}/:image/verify`,
    {
      config: { scope: "search" },
      schema: {
        tags,
        summary: "Compare the faces of a photo with an example",
        params,
        querystring: Type.Object(compreFaceQuery),
      },
    },
    async (request) => {
      const { query, deadline } = request;
      const face = faceOfId(request.params.image);
      const { photos } = await readUpload(request, context.limits, compreFaceFields);
      const found = await facesIn(fileOf(photos, "file"), query, deadline, context);
      const described = await describeAll(found, gallery, deadline);
      return gallery.use(async (state) => {
        const { width, faces, vectors } = await gallery.store.read({ faces: [face] });
        if (faces.length === 0) throw noImage();
        const own = normaliseRows(vectors, width);
        const result = found.map((one, at) => {
          const { vector = own, alpha = 1 } = described[at] ?? {};
          const cosine = normaliseRows(vector, width).reduce((sum, value, place) => sum + value * (own[place] ?? 0), 0);
          return { ...aboutFace(one, described[at], query), similarity: similarityOf(cosine, alpha, state) };
        });
        return { result };
      });
    },
  );
}

/** All enrolled faces, in the order of their ids. */
const examples = (gallery: ServedGallery, subject?: string) =>
  gallery.use(async ({ people, byId }) => {
    const chosen =
      subject === undefined ? undefined : people.filter(({ name }) => name === subject).map(({ id }) => id);
    const faces = await gallery.store.faces(chosen);
    return faces.map(({ id, person }) => ({ image_id: imageId(id), subject: byId.get(person)?.name ?? "" }));
  });
