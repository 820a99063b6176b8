import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printArgument } from "../src/print-path.ts";

describe("an argument of a printed command", () => {
  test("stays as it is where a shell takes it so", () => {
    for (const text of ["runs/first", "/données/人/g.db", "lr:16", "a=1,b=2", "50%", "me@home"])
      expect(printArgument(text)).toBe(text);
  });

  test("is quoted where a shell would cut or change it", () => {
    expect(printArgument("my faces")).toBe("'my faces'");
    expect(printArgument("it's")).toBe("'it'\\''s'");
    expect(printArgument("$HOME")).toBe("'$HOME'");
    expect(printArgument("")).toBe("''");
  });

  test("is printed as JSON where it would change the terminal", () => {
    expect(printArgument("a\nb")).toBe('"a\\nb"');
  });

  test("is no option where a path begins with a dash", () => {
    expect(printArgument("-faces")).toBe("./-faces");
    expect(printArgument("--my faces")).toBe("'./--my faces'");
  });

  const printable = fc
    .string({ unit: "grapheme" })
    .filter((text) => !/^-|[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(text));
  test.skipIf(process.platform === "win32")("reaches a program as it was", () => {
    const program = [printArgument(process.execPath), "-p", "'JSON.stringify(process.argv.slice(1))'", "--"];
    const heard = (texts: readonly string[]): unknown =>
      JSON.parse(
        execFileSync("/bin/sh", ["-c", [...program, ...texts.map(printArgument)].join(" ")], { encoding: "utf8" }),
      );
    fc.assert(
      fc.property(fc.array(printable, { maxLength: 20 }), (texts) => {
        expect(heard(texts)).toEqual(texts);
      }),
      { numRuns: 20 },
    );
  });
});
