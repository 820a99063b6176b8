import type { TemplateRule } from "../../../gallery/index.ts";
import type { GalleryModelFlags } from "../gallery/model.ts";
import type { StoreFlags } from "../gallery/store.ts";

/** Options of `petalface watch`. */
export interface WatchFlags extends GalleryModelFlags, StoreFlags {
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
  readonly threshold?: number;
  readonly thresholds?: string;
  readonly rate: number;
  readonly margin: number;
  readonly minAlpha: number;
  readonly templates: TemplateRule;
  readonly server?: string;
  readonly keyFile?: string;
  readonly mqtt?: string;
  readonly mqttPrefix: string;
  readonly discovery: string;
}
