import type { FaceData } from "../../data/index.ts";
import { messageOf, PetalfaceError } from "../../errors.ts";
import { createLocator, type Judgement, judgeAlignment, openDetector, openLandmarker } from "../../faces/index.ts";
import { printPath } from "../../images/index.ts";
import { alignDefaults } from "./align.ts";

/**
 * Whether the photos of a set are aligned faces, and the reason. Throws PetalfaceError where it
 * cannot be found out.
 */
export async function judgeSet(data: FaceData): Promise<Judgement> {
  const pathOf = (at: number): string => {
    const { source } = data.at(at);
    return source.kind === "file" ? source.path : "";
  };
  return await judgeAlignment(data.length, pathOf, async () => {
    try {
      const [detector, landmarks] = await Promise.all([
        openDetector(alignDefaults.detector),
        openLandmarker(alignDefaults.landmarks),
      ]);
      return {
        detector,
        locator: createLocator(detector.kind, landmarks),
        async close() {
          await Promise.all([detector.close(), landmarks.close()]);
        },
      };
    } catch (error) {
      const message = messageOf(error);
      throw new PetalfaceError(
        "PETAL_DATA_UNFIT",
        `cannot determine whether ${printPath(data.spec)} holds aligned faces: ${message}; give 'aligned=yes' or 'aligned=no'`,
        { cause: error },
      );
    }
  });
}
