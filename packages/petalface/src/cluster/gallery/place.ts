import { type GalleryStore, openGallery } from "../../gallery/index.ts";
import type { WhenDown } from "../search/merge.ts";
import { type GalleryParts, openGalleryParts } from "../search/parts.ts";

/** Where a gallery is. */
export interface GalleryPlace {
  /** One, or one for each part. */
  readonly addresses: readonly [string, ...string[]];
  /** How results and messages name it: without a password. */
  readonly shown: string;
}

/** Opens a gallery, or all parts of one on several servers. */
export async function openGalleryAt(
  { addresses }: GalleryPlace,
  {
    parts = "refused",
    whenDown = "error",
  }: { readonly parts?: "allowed" | "refused"; readonly whenDown?: WhenDown | undefined },
): Promise<GalleryStore | GalleryParts> {
  const [address, ...others] = addresses;
  return others.length > 0 ? await openGalleryParts(addresses, { whenDown }) : await openGallery(address, { parts });
}
