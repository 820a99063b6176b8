import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { sourceCommit } from "../src/versions.ts";

// As Node does it: promisify takes execFile's own form, which throws before there is a promise.
vi.mock("node:child_process", async (load) => {
  const noMemory = (): never => {
    throw Object.assign(new Error("spawn ENOMEM"), { code: "ENOMEM" });
  };
  return {
    ...(await load<typeof import("node:child_process")>()),
    execFile: Object.assign(noMemory, { [promisify.custom]: noMemory }),
  };
});

describe("sourceCommit", () => {
  it("is undefined where the system cannot start git: a run does not fail for that", async () => {
    expect(await sourceCommit()).toBeUndefined();
  });
});
