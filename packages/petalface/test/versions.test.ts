import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { sourceCommit } from "../src/versions.ts";

describe("sourceCommit", () => {
  // Node reports a missing program later. Of a path that is none it throws at once, as where the
  // system has no memory for another process.
  it.each(["no-such-git", "no\0path"])("is undefined where git cannot start: a run does not fail (%j)", async (git) => {
    expect(await sourceCommit(git)).toBeUndefined();
  });

  const isClone = existsSync(resolve(import.meta.dirname, "../../../.git"));
  it.skipIf(!isClone)("is the repository's, and the same for all runs of a process (needs a clone)", async () => {
    const first = await sourceCommit();
    expect(first).toMatch(/^[0-9a-f]{12,}(-dirty)?$/);
    expect(await sourceCommit()).toBe(first);
    expect(await sourceCommit("no-such-git")).toBeUndefined();
  });
});
