import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { completeLock, type Lock, missingOptional } from "../scripts/lock.ts";

const lock = JSON.parse(await readFile(new URL("../package-lock.json", import.meta.url), "utf8")) as Lock;

test("the lock holds every optional package, or npm ci refuses it; `npm run complete-lock` adds them", () => {
  expect(missingOptional(lock).map(({ name }) => name)).toEqual([]);
});

test("the lock names no registry host", () => {
  const named = Object.values(lock.packages).flatMap(({ resolved = "" }) =>
    /^[a-z+]+:/.test(resolved) ? resolved : [],
  );
  expect(named).toEqual([]);
});

test("what is missing is completed for its machine, wherever the package that wants it lies", () => {
  const broken: Lock = {
    packages: {
      "": {},
      "node_modules/a": {
        version: "1.0.0",
        dev: true,
        optionalDependencies: { "@a/cli-linux-arm64-musl": "1.0.0", b: "^2.0.0" },
      },
      "node_modules/b": { version: "2.1.0" },
      "node_modules/c/node_modules/d": { optionalDependencies: { "d-win32-x64": "3.0.0", e: "1.0.0", b: "^2.0.0" } },
      "node_modules/c/node_modules/e": { version: "1.0.0" },
    },
  };
  const { packages } = completeLock(broken);
  expect(packages["node_modules/@a/cli-linux-arm64-musl"]).toEqual({
    version: "1.0.0",
    os: ["linux"],
    cpu: ["arm64"],
    libc: ["musl"],
    dev: true,
    optional: true,
  });
  expect(packages["node_modules/d-win32-x64"]).toEqual({
    version: "3.0.0",
    os: ["win32"],
    cpu: ["x64"],
    optional: true,
  });
  expect(Object.keys(packages)).toHaveLength(7);
  expect(missingOptional({ packages })).toEqual([]);
  const unclear: Lock = { packages: { "node_modules/a": { optionalDependencies: { "a-linux-x64": "^1.0.0" } } } };
  expect(() => completeLock(unclear)).toThrow(/a-linux-x64@\^1\.0\.0/);
});
