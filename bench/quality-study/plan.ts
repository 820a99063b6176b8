import { join } from "node:path";
import { shared } from "../skeleton/shared.ts";

const weights = (name: string): string => join(shared, "weights", name);

/** The measures that are compared, as `--quality` spells them. */
export const measures: Readonly<Record<string, string>> = {
  sharpness: "sharpness",
  resolution: "resolution",
  norm: "norm",
  brisque: `brisque:model=${weights("brisque_model_live.yml")},range=${weights("brisque_range_live.yml")}`,
  cnniqa: `cnniqa:model=${weights("CNNIQA-LIVE.pth")}`,
};

/** The network that is adapted, in the shared weights. */
export const model = "mobilefacenet";

/** Low resolutions at which alpha is looked at; the last is the photo as it is. */
export const alphaPixels: readonly number[] = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 72, 88, 112];
