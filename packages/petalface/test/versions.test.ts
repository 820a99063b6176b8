import { describe, expect, it } from "vitest";
import { sourceCommit } from "../src/versions.ts";

describe("sourceCommit", () => {
  // Node reports a missing program later. Of a path that is none it throws at once, as where the
  // system has no memory for another process.
  it.each(["no-such-git", "no\0path"])("is undefined where git cannot start: a run does not fail (%j)", async (git) => {
    expect(await sourceCommit(git)).toBeUndefined();
  });
});
