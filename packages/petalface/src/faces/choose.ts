import { area } from "./geometry.ts";
import type { Detection } from "./nms.ts";

/** Rules for which of several faces a photo is of. */
export const faceRules = ["central", "largest"] as const;

/** One of {@link faceRules}. */
export type FaceRule = (typeof faceRules)[number];

/**
 * The face that a photo is of. `largest`: the largest box. `central`: the largest of box area minus
 * twice the squared distance of its middle from the photo's, the rule of insightface. Of equal ones
 * the surer.
 *
 * @param faces at least one, best first
 */
export function chooseFace(faces: readonly Detection[], width: number, height: number, rule: FaceRule): Detection {
  const worth = ({ box }: Detection): number => {
    const [left, top, right, bottom] = box;
    const off = ((left + right - width) / 2) ** 2 + ((top + bottom - height) / 2) ** 2;
    return area(box) - (rule === "central" ? 2 * off : 0);
  };
  return faces.reduce((best, face) => (worth(face) > worth(best) ? face : best));
}
