import { describe, expect, test } from "vitest";
import { shared } from "../images/helpers.ts";

const sample = shared("data", "lfw250_sample");

describe.skipIf(!sample.exists)("far faces in a camera frame (needs PETALFACE_SHARED)", () => {
  test.each(["scrfd_2.5g_bnkps.onnx", "yunet_n_dynamic.onnx"])(
    "%s: nine in ten are found, also where a near face stands before them",
    async (file) => {
      // Reads the sample where it is there; so only here.
      const { measureCrowd } = await import("../../../../bench/align/crowd.ts");
      const { alone, behind } = await measureCrowd(shared("weights", file).path, 1);
      for (const [count] of [alone, behind]) {
        expect(count?.found).toBeGreaterThanOrEqual(22);
        expect(count?.wrong).toBeLessThanOrEqual(2);
      }
    },
  );
});
