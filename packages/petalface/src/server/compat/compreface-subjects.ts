import { Type } from "typebox";
import type { App } from "../context.ts";
import { personName } from "../routes/schemas.ts";
import { type CompreFace, CompreFaceError } from "./compreface-common.ts";

const tags = ["CompreFace"];
const path = "/api/v1/recognition/subjects";
const params = Type.Object({ subject: personName });
const body = Type.Object({ subject: personName });

/** Names: add, list, rename, delete. */
export function subjectRoutes(app: App, { gallery }: CompreFace): void {
  // A gallery has no people without faces. Names without any are kept until the server ends.
  const announced = new Set<string>();
  const enrolled = (): Promise<string[]> => gallery.use(async ({ people }) => people.map(({ name }) => name));
  const all = async (): Promise<string[]> => {
    const names = await enrolled();
    for (const name of names) announced.delete(name);
    return [...names, ...announced].sort();
  };
  const noSubject = (): CompreFaceError => new CompreFaceError(404, 42, "Subject not found");

  app.get(path, { config: { scope: "enrol" }, schema: { tags, summary: "List the subjects" } }, async () => ({
    subjects: await all(),
  }));

  app.post(
    path,
    { config: { scope: "enrol" }, schema: { tags, summary: "Announce a subject that has no photo yet", body } },
    async (request, reply) => {
      const { subject } = request.body;
      if ((await all()).includes(subject)) throw new CompreFaceError(400, 43, "Subject already exists");
      announced.add(subject);
      return reply.code(201).send({ subject });
    },
  );

  app.put(
    `${path}/:subject`,
    {
      config: { scope: "enrol" },
      schema: { tags, summary: "Rename a subject; an existing name merges both", params, body },
    },
    async ({ params: { subject: from }, body: { subject: to }, deadline }) => {
      const names = await enrolled();
      if (names.includes(from)) await gallery.rename(from, to, deadline);
      else if (announced.delete(from)) announced.add(to);
      else throw noSubject();
      return { updated: true };
    },
  );

  app.delete(
    `${path}/:subject`,
    { config: { scope: "enrol" }, schema: { tags, summary: "Delete a subject and its faces", params } },
    async ({ params: { subject }, deadline }) => {
      const names = await enrolled();
      if (names.includes(subject)) await gallery.removePerson(subject, deadline);
      else if (!announced.delete(subject)) throw noSubject();
      return { subject };
    },
  );

  app.delete(
    path,
    { config: { scope: "enrol" }, schema: { tags, summary: "Delete all subjects and faces" } },
    async ({ deadline }) => {
      const names = await all();
      for (const name of await enrolled()) await gallery.removePerson(name, deadline);
      announced.clear();
      return { deleted: names.length };
    },
  );
}
