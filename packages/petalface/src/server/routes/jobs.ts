import { join } from "node:path";
import { Type } from "typebox";
import { targetNames } from "../../deploy/index.ts";
import { makeFolder } from "../../files.ts";
import type { App, ServerContext } from "../context.ts";
import { type JobEvent, type Jobs, noJobs } from "../jobs/jobs.ts";
import { Problem } from "../problem.ts";
import { dataFolder, folderName } from "./data.ts";
import { galleryOf } from "./faces.ts";
import { answers, maybe } from "./schemas.ts";

const job = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  request: Type.Unknown({ description: "What was asked for" }),
  created: Type.String(),
  state: Type.String({ description: "waiting, running, done, failed, cancelled or interrupted (the server ended)" }),
  ended: maybe(Type.String()),
  message: maybe(Type.String(), "What went wrong"),
  rate: maybe(Type.Number(), "Images a second of a training that is over"),
  result: Type.Unknown({ description: "What the command of the same name prints with --json" }),
});
const params = Type.Object({ job: Type.String({ maxLength: 100 }) });
const name = Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$" });

/** Options of training that clients may give; those that name files are not among them. */
const options = Type.Object(
  {
    epochs: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 10_000 })),
    minutes: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100_000,
        description: "Time for the training: a few steps are timed first; `epochs` goes first",
      }),
    ),
    rank: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    batch: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    lr: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    seed: Type.Optional(Type.Integer({ minimum: 0 })),
    "lr-pixels": Type.Optional(Type.String({ pattern: "^\\d+(,\\d+){0,15}$" })),
  },
  { additionalProperties: false },
);

const gallery = Type.Optional(Type.String());
const exact = { additionalProperties: false };
const degradations = Type.Array(Type.String({ pattern: "^lr:\\d{1,3}$" }), { maxItems: 8 });
const body = Type.Union([
  Type.Object({ kind: Type.Literal("adapt"), train: folderName, gallery, options: Type.Optional(options) }, exact),
  Type.Object(
    {
      kind: Type.Literal("evaluate"),
      data: folderName,
      run: Type.Optional(name),
      gallery,
      protocol: Type.String({ pattern: "^drawn(:[a-z]+=\\d+(,[a-z]+=\\d+){0,9})?$" }),
      degrade: Type.Optional(degradations),
    },
    exact,
  ),
  Type.Object(
    {
      kind: Type.Literal("export"),
      run: name,
      gallery,
      target: Type.Optional(Type.String({ enum: ["onnx", ...targetNames], description: "onnx unless given" })),
    },
    exact,
  ),
  Type.Object({ kind: Type.Literal("migrate"), run: name, gallery, data: Type.Optional(folderName) }, exact),
]);

/**
 * `/v1/jobs`: train, measure and export with folders of the server's data.
 *
 * @param jobs undefined where the server runs none
 * @param data folder whose folders clients name
 */
export const jobRoutes =
  (jobs: Jobs | undefined, data: string | undefined) =>
  (app: App, context: ServerContext): void => {
    const tags = ["jobs"];
    const config = { scope: "admin" } as const;
    const all = (): Jobs => {
      if (jobs === undefined) throw noJobs();
      return jobs;
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
          tags,
          summary: "Train an adapter, measure, export, or change a gallery to it",
          body,
          description:
            "`adapt` trains an adapter of the gallery's model on a folder of the server's data. `evaluate` measures the model, and the adapter of an adapt job (`run`). `export` writes a model for a product. `migrate` changes the gallery to the adapter, with the enrolled pictures in `data` where the gallery keeps none; restart the server afterwards.",
          response: answers(job, { 202: job }),
        },
      },
      async (request, reply) => {
        const given = request.body;
        const { recogniser, store } = galleryOf(context, given.gallery);
        const { source } = recogniser.model.record;
        const model = ["--model", source.model, ...flagsOf(source.choices)];
        const asked = { kind: given.kind, request: given };
        const args = async (): Promise<(out: string) => string[] | Promise<string[]>> => {
          if (given.kind === "adapt") {
            const train = await dataFolder(data, given.train);
            const { minutes, ...others } = given.options ?? {};
            const length = others.epochs === undefined ? { minutes } : {};
            return (out) => [
              ...["adapt", ...model, "--train", train, ...flagsOf({ ...length, ...others })],
              ...["--out", out],
            ];
          }
          const adapter = given.run === undefined ? [] : ["--adapter", runOf(all(), given.run)];
          if (given.kind === "evaluate") {
            const worse = (given.degrade ?? []).flatMap((spec) => ["--degrade", spec]);
            const measured = ["--protocol", given.protocol, "--data", await dataFolder(data, given.data), ...worse];
            return (out) => [
              ...["evaluate", ...model, ...adapter, ...measured],
              ...["--out", out, "--report", join(out, "report.html")],
            ];
          }
          if (given.kind === "migrate") {
            if (/^postgres(ql)?:/.test(store.path))
              throw new Problem(409, "wrong-state", "change a gallery in PostgreSQL with petalface gallery migrate");
            const pictures = given.data === undefined ? [] : ["--data", await dataFolder(data, given.data)];
            return () => ["gallery", "migrate", store.path, ...model, ...adapter, ...pictures];
          }
          const { target = "onnx" } = given;
          return async (out) => {
            await makeFolder(out);
            const form = target === "onnx" ? ["--out", join(out, "face.onnx")] : ["--for", target, "--out", out];
            return ["export", ...model, ...adapter, ...form];
          };
        };
        return context.idempotency.answer(request, reply, [], async () => ({
          status: 202,
          body: await all().start(asked, await args()),
        }));
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
          tags,
          summary: "Follow a job: server-sent events `progress` and `state`, until it is over",
          params,
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
