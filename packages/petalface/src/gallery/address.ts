import { PetalfaceError } from "../errors.ts";

/** Where a gallery is kept: a file of SQLite, or a schema in a database of PostgreSQL. */
export type GalleryAddress =
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "postgres";
      /** For the driver: with the password, without the gallery's name. */
      readonly connection: string;
      /** Name of the gallery, which is that of its schema. */
      readonly gallery: string;
      /** For messages: without the password. */
      readonly shown: string;
    };

/** The gallery that an address of PostgreSQL means without `?gallery=NAME`. */
const usualName = "gallery";
/** Longest name of PostgreSQL, in bytes. */
const longestName = 63;

const isAddress = (text: string): boolean => /^postgres(ql)?:\/\//i.test(text);

/**
 * Reads where a gallery is: `people.db`, or `postgres://USER@HOST/DATABASE?gallery=NAME`.
 *
 * @throws PetalfaceError (wrong usage) for an address that is none
 */
export function galleryAddress(text: string): GalleryAddress {
  if (!isAddress(text)) return { kind: "file", path: text };
  const wrong = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_OPTION_INVALID", `${what}; give postgres://USER@HOST:PORT/DATABASE?gallery=NAME`);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong("this address of PostgreSQL cannot be read");
  }
  const gallery = url.searchParams.get("gallery") ?? usualName;
  url.searchParams.delete("gallery");
  const bytes = Buffer.byteLength(gallery);
  if (
    bytes === 0 ||
    bytes > longestName ||
    gallery.includes("\0") ||
    /^(pg_|information_schema$|public$)/.test(gallery)
  )
    throw wrong(`"${gallery}" cannot be the name of a gallery in PostgreSQL`);
  const connection = url.href;
  url.password = "";
  url.search = `?gallery=${encodeURIComponent(gallery)}`;
  return { kind: "postgres", connection, gallery, shown: url.href };
}

/**
 * A gallery as messages and results name it: an address of PostgreSQL without its password, a path
 * as it is.
 */
export function shownGallery(text: string): string {
  const address = galleryAddress(text);
  return address.kind === "file" ? address.path : address.shown;
}

/**
 * The address of a gallery in a store.
 *
 * @param store address of a database, or undefined: `gallery` is an address itself
 * @throws PetalfaceError (wrong usage) where the store is no address of PostgreSQL
 */
export function galleryIn(store: string | undefined, gallery: string): string {
  if (store === undefined) return gallery;
  if (!isAddress(store) || isAddress(gallery))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'store' is an address postgres://USER@HOST/DATABASE, and the gallery then a name in it",
    );
  let url: URL;
  try {
    url = new URL(store);
  } catch {
    throw new PetalfaceError("PETAL_OPTION_INVALID", "'store': this address of PostgreSQL cannot be read");
  }
  url.searchParams.set("gallery", gallery);
  return url.href;
}
