import { Type } from "typebox";
import type { Person } from "../../gallery/index.ts";
import type { App, ServerContext } from "../context.ts";
import type { ServedGallery } from "../gallery/served.ts";
import { Problem } from "../problem.ts";
import { galleryOf } from "./faces.ts";
import { answers, galleryParams, maybe, personName, personParams, removal, strict } from "./schemas.ts";

const person = Type.Object({
  name: Type.String(),
  faces: Type.Integer(),
  lowestAlpha: Type.Number({ description: "Lowest quality of the faces" }),
  added: Type.String({ description: "ISO 8601, UTC" }),
});
const tags = ["people"];

/** People of a gallery. */
export function peopleRoutes(app: App, context: ServerContext): void {
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
        return {
          status: 200,
          body: { person: body.name, merged: await gallery.rename(params.person, body.name, request.deadline) },
        };
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
        const removed = await gallery.removePerson(request.params.person, request.deadline);
        return { status: 200, body: { person: request.params.person, ...removed } };
      }),
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

const aboutPerson = ({ name, faces, lowestAlpha, added }: Person) => ({ name, faces, lowestAlpha, added });

/** Cursors are names, written as base64, since clients are to pass them on unchanged. */
const cursorOf = (name: string): string => Buffer.from(name).toString("base64url");
const nameOfCursor = (cursor: string): string => Buffer.from(cursor, "base64url").toString();
