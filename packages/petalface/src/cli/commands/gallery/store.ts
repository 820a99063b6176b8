import type { Command } from "commander";
import { galleryIn, shownGallery } from "../../../gallery/index.ts";

/** Where a command finds its gallery. */
export interface StoreFlags {
  readonly store?: string;
}

/** What the argument of a command is. */
export const galleryArgument = "a file that `gallery create` made, or postgres://USER@HOST/DATABASE?gallery=NAME";

/** Adds `--store`. */
export const withStore = (command: Command): Command =>
  command.option(
    "--store <postgres://...>",
    "a database of PostgreSQL with pgvector; the gallery is a name in it then",
  );

/** The address of a gallery, and how results and messages name it: without a password. */
export function placeOf(gallery: string, { store }: StoreFlags): { readonly address: string; readonly shown: string } {
  const address = galleryIn(store, gallery);
  return { address, shown: shownGallery(address) };
}
