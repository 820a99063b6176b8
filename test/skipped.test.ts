import { expect, test } from "vitest";
import { groupSkipped } from "./skipped.ts";

test("skipped tests are named under the reason that their name or note gives", () => {
  const groups = groupSkipped([
    { name: "a.test.ts > LFW pairs (needs PETALFACE_SHARED)", note: undefined },
    { name: "b.test.ts > the page opens", note: "chromium is not installed" },
    { name: "c.test.ts > something", note: undefined },
    { name: "d.test.ts > needs the shared weights", note: undefined },
  ]);
  expect(groups).toEqual([
    {
      reason: "PETALFACE_SHARED is missing",
      names: ["a.test.ts > LFW pairs (needs PETALFACE_SHARED)", "d.test.ts > needs the shared weights"],
    },
    { reason: "no chromium found", names: ["b.test.ts > the page opens"] },
    { reason: "no reason given", names: ["c.test.ts > something"] },
  ]);
});
