import type { DecisionFlags } from "../gallery/decisions.ts";
import type { GalleryModelFlags } from "../gallery/model.ts";
import type { StoreFlags } from "../gallery/store.ts";

/** Options of `petalface watch`. */
export interface WatchFlags extends GalleryModelFlags, StoreFlags, DecisionFlags {
  readonly gallery: string;
  readonly camera: string;
  readonly fps: number;
  readonly once?: boolean;
  readonly far?: boolean;
  readonly detector: string;
  readonly landmarks: string;
  readonly frames: number;
  readonly minFrames: number;
  readonly lost: number;
  readonly server?: string;
  readonly keyFile?: string;
  readonly mqtt?: string;
  readonly mqttPrefix: string;
  readonly discovery: string;
}
