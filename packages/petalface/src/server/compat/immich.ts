import { Type } from "typebox";
import { fieldsOf } from "../../json.ts";
import type { App, ServerContext } from "../context.ts";
import { readUpload } from "../http/body.ts";
import { Problem } from "../problem.ts";
import { describeAll, facesOf, galleryOf, seePhotos } from "../routes/faces.ts";

/** Numbers of the embeddings that Immich's database holds. */
const immichWidth = 512;

/**
 * Immich's machine-learning endpoint, for faces alone: `/ping`, and `/predict` for the task
 * `facial-recognition`. Other tasks are refused, and Immich asks the next of its servers. Immich
 * sends no key, so this needs `--open`, or a proxy that adds one.
 */
export function immichRoutes(app: App, context: ServerContext): void {
  const tags = ["Immich"];
  app.get("/ping", { config: { scope: "search" }, schema: { tags, summary: "Answers pong" } }, async (_, reply) =>
    reply.type("text/plain").send("pong"),
  );

  app.post(
    "/predict",
    {
      config: { scope: "search" },
      schema: {
        tags,
        summary: "Find and embed the faces of a photo for Immich",
        description: "A form with `entries` (JSON) and `image`, as Immich sends it.",
        response: {
          200: Type.Object({
            "facial-recognition": Type.Array(
              Type.Object({
                boundingBox: Type.Object({
                  x1: Type.Number(),
                  y1: Type.Number(),
                  x2: Type.Number(),
                  y2: Type.Number(),
                }),
                embedding: Type.String({ description: "512 numbers as JSON" }),
                score: Type.Number(),
              }),
            ),
            imageHeight: Type.Integer(),
            imageWidth: Type.Integer(),
          }),
        },
      },
    },
    async (request) => {
      const gallery = galleryOf(context);
      const { width } = gallery.recogniser.model.record.space;
      if (width !== immichWidth)
        throw new Problem(
          422,
          "invalid-request",
          `Immich holds embeddings of ${immichWidth} numbers, and this model's have ${width}`,
        );
      const { photos, fields } = await readUpload(request, context.limits, ["image"]);
      const minScore = minScoreOf(fields.entries);
      const photo = photos.find(({ field }) => field === "image");
      if (photo === undefined) throw new Problem(400, "no-photo", "the form has no image");
      const [one] = await seePhotos([photo], { all: true, minScore }, request.deadline, context);
      const { faces, width: imageWidth, height: imageHeight } = facesOf(one);
      const described = await describeAll(faces, gallery, request.deadline);
      const found = faces.map(({ box, score }, at) => {
        const [x1, y1, x2, y2] = box ?? [0, 0, imageWidth, imageHeight];
        return {
          boundingBox: { x1, y1, x2, y2 },
          score: score ?? 1,
          embedding: JSON.stringify([...(described[at]?.vector ?? [])]),
        };
      });
      return { "facial-recognition": found, imageHeight, imageWidth };
    },
  );
}

/**
 * The detection's least score among Immich's entries. Throws a {@link Problem} where no faces are
 * asked for.
 */
function minScoreOf(entries: unknown): number | undefined {
  let tasks: unknown;
  try {
    tasks = JSON.parse(typeof entries === "string" ? entries : "");
  } catch {
    throw new Problem(400, "invalid-request", "entries is not JSON");
  }
  const asked = fieldsOf(tasks);
  const task = asked["facial-recognition"];
  if (typeof task !== "object" || task === null || Object.keys(asked).length !== 1)
    throw new Problem(422, "invalid-request", "this server answers the task facial-recognition alone");
  const score = fieldsOf(fieldsOf(fieldsOf(task).detection).options).minScore;
  return typeof score === "number" && score >= 0 && score <= 1 ? score : undefined;
}
