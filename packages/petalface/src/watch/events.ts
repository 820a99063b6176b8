import type { Box } from "../faces/index.ts";
import type { Decision } from "../gallery/index.ts";

/** Who a face is, in names. */
export interface Decided {
  readonly decision: Decision["decision"];
  readonly reason: Decision["reason"] | string | null;
  /** Name of the person; null unless it is a match. */
  readonly person: string | null;
  /** With the nearest person; null without a comparison. */
  readonly cosine: number | null;
  readonly threshold: number | null;
  /** How sure it is; null where nothing has measured it. */
  readonly falseAcceptRate: Decision["falseAcceptRate"];
  /** Quality of the track. */
  readonly alpha: number;
}

/** One line of `petalface watch`: who a face is (`decided`), once, and that it left. */
export interface WatchEvent extends Decided {
  readonly type: "decided" | "left";
  readonly camera: string;
  readonly track: number;
  /** Seconds since the first frame. */
  readonly first: number;
  readonly last: number;
  /** Frames that show the face so far. */
  readonly frames: number;
  /** Where it was last, in pixels. */
  readonly box: Box;
  /** The detector's, that it is a face. */
  readonly confidence: number;
}
