import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { Type } from "typebox";
import { longestMeasured, measuredLengths } from "../../api/adapt/expected.ts";
import { openData } from "../../data/index.ts";
import { drawDegradation, fromPlanes, openLoader, parseDegradation } from "../../images/index.ts";
import type { App, ServerContext } from "../context.ts";
import { type Jobs, noJobs } from "../jobs/jobs.ts";
import { trainingSpeed } from "../jobs/speed.ts";
import { Problem } from "../problem.ts";
import { galleryOf } from "./faces.ts";
import { answers } from "./schemas.ts";

/** Faces of a folder that are shown, and how. */
const shownFaces = 6;
const shownAs = ["lr:24", "lr:16", "lr:12"] as const;
const side = 112;

const pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$";
/** Name of a folder of the server's data. */
export const folderName = Type.String({ pattern });

/**
 * The folder of the server's data that a client names. Throws a {@link Problem} where there is
 * none.
 *
 * @param given matches {@link folderName}
 */
export async function dataFolder(data: string | undefined, given: string): Promise<string> {
  if (data === undefined) throw noJobs();
  const path = join(data, given);
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new Problem(404, "not-found", "the server's data has no folder of this name");
  return path;
}

const folders = Type.Object({
  folders: Type.Array(Type.Object({ name: Type.String(), people: Type.Integer({ description: "Folders in it" }) })),
});
const faces = Type.Object({
  people: Type.Integer(),
  images: Type.Integer(),
  speed: Type.Object(
    {
      imagesPerSecond: Type.Number(),
      from: Type.String({ description: "training: of an earlier one; estimate: from the model's time for a batch" }),
    },
    { description: "How fast training with the gallery's model is" },
  ),
  lengths: Type.Object(
    {
      longest: Type.Integer({ description: "Images of the longest measured training" }),
      measured: Type.Array(
        Type.Object({
          network: Type.String(),
          images: Type.Integer(),
          at16: Type.Array(Type.Number(), {
            description: "Share of the longest's gain in rank-1 at 16 px, in per cent, and its interval",
          }),
        }),
      ),
    },
    { description: "What shorter trainings of other networks gained" },
  ),
  shownAs: Type.Array(Type.String()),
  faces: Type.Array(
    Type.Object({
      person: Type.String(),
      images: Type.Array(Type.String({ description: "JPEG, base64: as given, then shrunk" })),
    }),
  ),
});

/**
 * `/v1/data`: the folders of faces that jobs may read.
 *
 * @param jobs for how fast earlier trainings were
 * @param data folder whose folders clients name; undefined where the server runs no jobs
 */
export const dataRoutes =
  (jobs: Jobs | undefined, data: string | undefined) =>
  (app: App, context: ServerContext): void => {
    const tags = ["jobs"];
    const config = { scope: "admin" } as const;
    const speedOf = async (gallery: string | undefined) => {
      if (jobs === undefined) throw noJobs();
      return trainingSpeed(jobs, galleryOf(context, gallery).recogniser);
    };
    app.get(
      "/v1/data",
      { config, schema: { tags, summary: "List the folders of faces that jobs may read", response: answers(folders) } },
      async () => {
        if (data === undefined) return { folders: [] };
        const entries = await readdir(data, { withFileTypes: true }).catch(() => []);
        const named = entries.filter((entry) => entry.isDirectory() && new RegExp(pattern).test(entry.name));
        const listed = await Promise.all(
          named.map(async ({ name }) => {
            const people = await readdir(join(data, name), { withFileTypes: true }).catch(() => []);
            return { name, people: people.filter((entry) => entry.isDirectory()).length };
          }),
        );
        return { folders: listed.sort((a, b) => (a.name < b.name ? -1 : 1)) };
      },
    );

    app.get(
      "/v1/data/:folder",
      {
        config,
        schema: {
          tags,
          summary: "Say what a folder holds, with some faces as given and at low resolution",
          params: Type.Object({ folder: folderName }),
          response: answers(faces),
          querystring: Type.Object({ gallery: Type.Optional(Type.String()) }),
        },
      },
      async ({ params, query }) => {
        const set = await openData(await dataFolder(data, params.folder));
        const count = Math.min(shownFaces, set.length);
        const chosen = Array.from({ length: count }, (_, at) => set.at(Math.floor((at * set.length) / count)));
        await using loader = openLoader({ size: side, threads: 0 });
        const unreadable = new Set<number>();
        const requests = chosen.flatMap(({ source, id }) =>
          [undefined, ...shownAs].map((spec) => ({
            source,
            flip: false,
            degrade: spec && drawDegradation(parseDegradation(spec), id),
          })),
        );
        const planes = await loader.load(requests, (index) => unreadable.add(index));
        const each = shownAs.length + 1;
        const shown = await Promise.all(
          chosen.map(async ({ person }, at) => ({
            person: set.people[person] ?? "",
            images: await Promise.all(
              Array.from({ length: each }, (_, kind) => at * each + kind)
                .filter((index) => !unreadable.has(index))
                .map((index) => jpegOf(planes.subarray(index * 3 * side * side, (index + 1) * 3 * side * side))),
            ),
          })),
        );
        return {
          people: set.people.length,
          images: set.length,
          speed: await speedOf(query.gallery),
          lengths: {
            longest: longestMeasured,
            measured: measuredLengths.map(({ network, images, at16 }) => ({ network, images, at16: [...at16] })),
          },
          shownAs: ["as given", ...shownAs.map((spec) => `${spec.slice(3)} px`)],
          faces: shown.filter(({ images }) => images.length === each),
        };
      },
    );
  };

async function jpegOf(planes: Uint8Array): Promise<string> {
  const jpeg = await sharp(fromPlanes(planes), { raw: { width: side, height: side, channels: 3 } })
    .jpeg({ quality: 88 })
    .toBuffer();
  return jpeg.toString("base64");
}
