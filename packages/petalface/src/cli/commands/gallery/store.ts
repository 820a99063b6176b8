import type { Command } from "commander";
import type { GalleryPlace } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { galleryIn, shownGallery } from "../../../gallery/index.ts";
import { collect } from "../../options.ts";

/** Where a command finds its gallery. */
export interface StoreFlags {
  readonly store?: readonly string[];
}

/** What the argument of a command is. */
export const galleryArgument = "a file that `gallery create` made, or postgres://USER@HOST/DATABASE?gallery=NAME";

/** Adds `--store`, once; with `several` again for each server of a gallery on several servers. */
export const withStore = (command: Command, { several = false } = {}): Command =>
  command.option(
    "--store <postgres://...>",
    `a database of PostgreSQL with pgvector; the gallery is a name in it then${
      several ? "; again for each server of a gallery on several" : ""
    }`,
    collect,
  );

/** Where the gallery of a command is that takes several `--store`. */
export function placesOf(gallery: string, { store = [] }: StoreFlags): GalleryPlace {
  const [first, ...others] = store;
  const addresses = [galleryIn(first, gallery), ...others.map((each) => galleryIn(each, gallery))] as const;
  return { addresses: [...addresses], shown: addresses.map(shownGallery).join(", ") };
}

/** The same of a command that takes one. */
export function placeOf(gallery: string, flags: StoreFlags): { readonly address: string; readonly shown: string } {
  const {
    addresses: [address, ...others],
    shown,
  } = placesOf(gallery, flags);
  if (others.length > 0)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "this command takes one --store; give one part after the other");
  return { address, shown };
}
