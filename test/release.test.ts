import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sectionOf } from "../scripts/changelog.ts";
import { printLicences, runtimePackages } from "../scripts/dependencies.ts";
import type { Lock } from "../scripts/lock.ts";

const lock = JSON.parse(readFileSync(fileURLToPath(new URL("../package-lock.json", import.meta.url)), "utf8")) as Lock;

describe("licences", () => {
  const all = runtimePackages(lock, ["packages/petalface", "packages/onnx-grad"]);

  it("lists what our packages bring, and what these bring, but no tools", () => {
    const names = all.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["onnxruntime-node", "onnxruntime-common", "sharp", "commander"]));
    for (const tool of ["vitest", "typescript", "vitepress", "knip"]) expect(names).not.toContain(tool);
  });

  it("are all allowed", () => expect(printLicences(all).refused).toEqual([]));

  it("that are not allowed are refused", () => {
    const wrong = { name: "a", version: "1.0.0", licence: "GPL-3.0-only" };
    const either = { ...wrong, licence: "(GPL-3.0-only OR MIT)" };
    const both = { ...wrong, licence: "MIT AND GPL-3.0-only" };
    expect(printLicences([wrong, either, both]).refused).toEqual([wrong, both]);
  });
});

it("the changelog has a part for the packages' version", () => {
  const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), "utf8");
  for (const name of ["packages/petalface/package.json", "packages/onnx-grad/package.json"]) {
    const { version } = JSON.parse(read(name)) as { version: string };
    expect(sectionOf(read("CHANGELOG.md"), version)).toContain("### Added");
  }
});

it("finds a version's part of the changelog", () => {
  const text = "# Changelog\n\n## Unreleased\n\n- new\n\n## 0.1.0 - 2026-12-01\n\n- first\n\n## [0.0.1]\n\n- zero\n";
  expect(sectionOf(text, "0.1.0")).toBe("- first");
  expect(sectionOf(text, "0.0.1")).toBe("- zero");
  expect(sectionOf(text, "0.1")).toBeUndefined();
});
