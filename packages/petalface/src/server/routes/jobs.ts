import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import type { App, ServerContext } from "../context.ts";
import type { JobEvent, Jobs } from "../jobs/jobs.ts";
import { Problem } from "../problem.ts";
import { galleryOf } from "./faces.ts";
import { answers, maybe } from "./schemas.ts";

const job = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  created: Type.String(),
  state: Type.String({ description: "waiting, running, done, failed, cancelled or interrupted (the server ended)" }),
  ended: maybe(Type.String()),
  message: maybe(Type.String(), "What went wrong"),
  result: Type.Unknown({ description: "What the command of the same name prints with --json" }),
});
const params = Type.Object({ job: Type.String({ maxLength: 100 }) });
const name = Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$" });

/** Options of training that clients may give; those that name files are not among them. */
const options = Type.Object(
  {
    epochs: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 10_000 })),
    minutes: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100_000 })),
    rank: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    batch: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    lr: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    seed: Type.Optional(Type.Integer({ minimum: 0 })),
    "lr-pixels": Type.Optional(Type.String({ pattern: "^\\d+(,\\d+){0,15}$" })),
  },
  { additionalProperties: false },
);

const body = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("adapt"),
      train: name,
      gallery: Type.Optional(Type.String()),
      options: Type.Optional(options),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      ...{
        kind: Type.Literal("evaluate"),
        data: name,
        run: Type.Optional(name),
        gallery: Type.Optional(Type.String()),
      },
      protocol: Type.String({ pattern: "^drawn(:[a-z]+=\\d+(,[a-z]+=\\d+){0,9})?$" }),
    },
    { additionalProperties: false },
  ),
]);

/**
 * `/v1/jobs`: train and measure on folders of the server's data.
 *
 * @param jobs undefined where the server runs none
 * @param data folder whose folders clients name
 */
export const jobRoutes =
  (jobs: Jobs | undefined, data: string) =>
  (app: App, context: ServerContext): void => {
    const tags = ["jobs"];
    const config = { scope: "admin" } as const;
    const all = (): Jobs => {
      if (jobs === undefined)
        throw new Problem(409, "no-jobs", "start the server with --jobs FOLDER and --data FOLDER");
      return jobs;
    };
    const folderOf = async (given: string): Promise<string> => {
      const path = join(data, given);
      const isFolder = await stat(path).then(
        (entry) => entry.isDirectory(),
        () => false,
      );
      if (!isFolder) throw new Problem(404, "not-found", "the server's data has no folder of this name");
      return path;
    };

    app.get(
      "/v1/jobs",
      { config, schema: { tags, summary: "List the jobs", response: answers(Type.Object({ jobs: Type.Array(job) })) } },
      async () => ({ jobs: [...all().list()] }),
    );

    app.post(
      "/v1/jobs",
      {
        config,
        schema: {
          ...{ tags, summary: "Train an adapter, or measure one", body, response: answers(job, { 202: job }) },
          description:
            "`adapt` trains an adapter of the gallery's model on a folder of the server's data. `evaluate` measures the model, and the adapter of an adapt job (`run`).",
        },
      },
      async (request, reply) => {
        const given = request.body;
        const { source } = galleryOf(context, given.gallery).recogniser.model.record;
        const model = ["--model", source.model, ...flagsOf(source.choices)];
        if (given.kind === "adapt") {
          const train = ["--train", await folderOf(given.train), ...flagsOf(given.options ?? {})];
          const made = await all().start("adapt", (out) => ["adapt", ...model, ...train, "--out", out]);
          return reply.code(202).send(made);
        }
        const adapter = given.run === undefined ? [] : ["--adapter", runOf(all(), given.run)];
        const measured = ["--protocol", given.protocol, "--data", await folderOf(given.data)];
        const made = await all().start("evaluate", (out) => [
          "evaluate",
          ...model,
          ...adapter,
          ...measured,
          "--out",
          out,
        ]);
        return reply.code(202).send(made);
      },
    );

    app.get(
      "/v1/jobs/:job",
      { config, schema: { tags, summary: "Say how a job is", params, response: answers(job) } },
      async (request) => all().find(request.params.job),
    );

    app.post(
      "/v1/jobs/:job/cancel",
      {
        config,
        schema: { tags, summary: "Stop a job; training keeps its checkpoint", params, response: answers(job) },
      },
      async (request) => all().cancel(request.params.job),
    );

    app.post(
      "/v1/jobs/:job/resume",
      {
        config,
        schema: { tags, summary: "Continue a training job from its checkpoint", params, response: answers(job) },
      },
      async (request) => all().resume(request.params.job),
    );

    app.get(
      "/v1/jobs/:job/events",
      {
        config,
        schema: {
          ...{ tags, summary: "Follow a job: server-sent events `progress` and `state`, until it is over", params },
          produces: ["text/event-stream"],
        },
      },
      async (request, reply) => {
        const known = all().find(request.params.job);
        const after = Number(request.headers["last-event-id"] ?? 0);
        reply.hijack();
        const { raw } = reply;
        const headers = Object.entries(reply.getHeaders()).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, value]],
        );
        raw.writeHead(200, { ...Object.fromEntries(headers), "content-type": "text/event-stream" });
        // Proxies end connections on which nothing happens.
        const beat = setInterval(() => raw.write(": \n\n"), 15_000);
        const hear = (event: JobEvent | undefined): void => {
          if (event === undefined) raw.end();
          else raw.write(`id: ${event.number}\nevent: ${event.type}\ndata: ${JSON.stringify(event.text)}\n\n`);
        };
        const stop = all().follow(known.id, Number.isFinite(after) ? after : 0, hear);
        raw.once("close", () => {
          clearInterval(beat);
          stop();
        });
      },
    );
  };

/** The run of a training job that is done. Throws a {@link Problem}. */
function runOf(jobs: Jobs, id: string): string {
  const { kind, state } = jobs.find(id);
  if (kind !== "adapt" || state !== "done")
    throw new Problem(409, "wrong-state", "give the id of an adapt job that is done");
  return jobs.folderOf(id);
}

const flagsOf = (given: object): string[] =>
  Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [`--${key}`, String(value)]));
