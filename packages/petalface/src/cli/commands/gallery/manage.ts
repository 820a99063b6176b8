import type { Command } from "commander";
import { openGalleryAt } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { printPath } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { plainTable } from "../../table.ts";
import { galleryArgument, placesOf, type StoreFlags, withStore } from "./store.ts";

/** `petalface gallery list G.db`. */
export function listCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("list")
    .description("say who is enrolled, with which model")
    .argument("<gallery>", galleryArgument)
    .action(async (gallery: string, flags: StoreFlags) => {
      const place = placesOf(gallery, flags);
      const { shown: path } = place;
      await using store = await openGalleryAt(place, { parts: "allowed" });
      const [record, people] = [await store.record(), await store.people()];
      const faces = people.reduce((sum, person) => sum + person.faces, 0);
      const { space, adapter } = record;
      const rows = people.map(({ name, faces: count, lowestAlpha, added }) => [
        name,
        String(count),
        lowestAlpha.toFixed(2),
        added.slice(0, 10),
      ]);
      const head = `${people.length} people, ${faces} faces; model ${space.model}${adapter === null ? "" : `, adapter ${adapter.slice(0, 12)}`}; space ${space.id.slice(0, 12)}`;
      const table =
        rows.length === 0 ? [] : [plainTable([["PERSON", "FACES", "LOWEST ALPHA", "SINCE"], ...rows], [1, 2])];
      context.result(
        { gallery: path, model: space.model, adapter, space, settings: store.settings, faces, people },
        [head, ...table].join("\n"),
      );
    });
  withStore(command, { several: true });
  withExamples(command, "gallery list people.db", "gallery list people.db --json");
}

interface RemoveFlags extends StoreFlags {
  readonly person?: string;
  readonly expired?: boolean;
}

/** `petalface gallery remove G.db --person NAME`. */
export function removeCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("remove")
    .description("delete a person with all faces, and verify that no data of them is left in the gallery")
    .argument("<gallery>", galleryArgument)
    .option("--person <name>", "as `gallery list` spells it")
    .option("--expired", "all faces whose date has passed (gallery add --keep-until, --retain)")
    .action(async (gallery: string, flags: RemoveFlags) => {
      const place = placesOf(gallery, flags);
      const { shown: path } = place;
      const { person, expired = false } = flags;
      if ((person === undefined) !== expired)
        throw new PetalfaceError("PETAL_OPTION_INVALID", "give --person NAME or --expired");
      await using store = await openGalleryAt(place, { parts: "allowed" });
      const removal =
        person === undefined ? await store.forgetExpired(new Date().toISOString()) : await store.remove(person);
      const { faces, people, fragments, found } = removal;
      const counted = `${faces} ${faces === 1 ? "face" : "faces"}`;
      const gone =
        person === undefined
          ? `${counted} past their date, ${people} people with no other faces`
          : `${person} and ${counted}`;
      if (found > 0)
        throw new PetalfaceError(
          "PETAL_BUSY",
          `${gone}: deleted, but ${found} of ${fragments} pieces are still in ${printPath(path)} or its log: another process reads an older state; when it has ended, run petalface gallery check ${printPath(path)} --compact`,
        );
      const proof = fragments === 0 ? "" : `; none of ${fragments} pieces of them is left in the gallery`;
      context.result({ gallery: path, ...(person !== undefined && { person }), ...removal }, `${gone} deleted${proof}`);
    });
  withStore(command, { several: true });
  withExamples(command, 'gallery remove people.db --person "Ada Lovelace"', "gallery remove people.db --expired");
}

/** `petalface gallery index G.db`. */
export function indexCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("index")
    .description("build the index of a large gallery, for `gallery search --index`")
    .argument("<gallery>", galleryArgument)
    .action(async (gallery: string, flags: StoreFlags) => {
      const place = placesOf(gallery, flags);
      const { shown: path } = place;
      await using store = await openGalleryAt(place, { parts: "allowed" });
      const faces = await store.count();
      const progress = context.progress("indexing", faces, "faces");
      try {
        await store.buildIndex({
          signal: context.signal,
          onProgress: (done) => progress.update(done),
        });
      } finally {
        progress.close();
      }
      const later =
        store.indexedBy === "pgvector"
          ? "new ones will be"
          : "new ones are compared one by one until it is built again; removing a face deletes it";
      context.result(
        { gallery: path, faces, indexedBy: store.indexedBy },
        `${path}: ${faces} faces are in the index, and ${later}`,
      );
    });
  withStore(command, { several: true });
  withExamples(command, "gallery index people.db", "gallery index people --store postgres://me@db.example/faces");
}

/** `petalface gallery check G.db`. */
export function checkCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("check")
    .description("check every page and every embedding; exit code 1 if something is wrong")
    .argument("<gallery>", galleryArgument)
    .option("--compact", "also write the file again without free space")
    .option("--audit", "also list what was done with the gallery, and when")
    .action(async (gallery: string, flags: { readonly compact?: boolean; readonly audit?: boolean } & StoreFlags) => {
      const place = placesOf(gallery, flags);
      const { shown: path } = place;
      await using store = await openGalleryAt(place, { parts: "allowed" });
      const problems = await store.check();
      if (flags.compact) await store.compact();
      const people = await store.people();
      const faces = people.reduce((sum, person) => sum + person.faces, 0);
      const entries = flags.audit ? await store.audit() : undefined;
      const text = [
        ...(problems.length === 0
          ? [`${path}: ${people.length} people, ${faces} faces, all as they were written`]
          : problems),
        ...(entries ?? []).map(
          ({ time, action, person, faces: count }) =>
            `${time} ${action}${person === null ? "" : ` person ${person}`}, ${count} ${count === 1 ? "face" : "faces"}`,
        ),
      ];
      context.result(
        {
          gallery: path,
          ok: problems.length === 0,
          problems,
          people: people.length,
          faces,
          ...(entries && { audit: entries }),
        },
        text.join("\n"),
      );
      if (problems.length > 0) context.exitCode = 1;
    });
  withStore(command, { several: true });
  withExamples(command, "gallery check people.db", "gallery check people.db --audit");
}
