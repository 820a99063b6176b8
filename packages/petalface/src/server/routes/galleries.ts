import { Type } from "typebox";
import type { App, ServerContext } from "../context.ts";
import type { ServedGallery } from "../gallery/served.ts";
import { answers, maybe } from "./schemas.ts";

/** `/v1/galleries`. */
export function galleryRoutes(app: App, context: ServerContext): void {
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
}

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
