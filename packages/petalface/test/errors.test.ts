import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { withFlags } from "../src/cli/flags.ts";
import { type ErrorKind, errorKinds } from "../src/error-codes.ts";
import { PetalfaceError, readCode } from "../src/errors.ts";
import { flagOf, optionEntries } from "../src/training/index.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const kinds: readonly (readonly [string, ErrorKind])[] = Object.entries(errorKinds);

/** The sources of petalface, `path` from `src`, without comments. */
const sources = globSync("**/*.ts", { cwd: join(root, "packages/petalface/src") }).map((path) => ({
  path: path.replaceAll("\\", "/"),
  text: readFileSync(join(root, "packages/petalface/src", path), "utf8").replaceAll(
    /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm,
    "",
  ),
}));

it("docs/errors.md lists every code as the table has it (npx vitest run errors.test -u writes it again)", async () => {
  const rows = kinds.map(
    ([code, { means, advice, exitCode }]) => `| \`${code}\` | ${exitCode ?? 1} | ${means} | ${advice} |`,
  );
  const text = `# Error codes

What the caller can fix is a \`PetalfaceError\`. Its \`code\` says which kind of error it is, and is the
same in every version. Its \`message\` says what is wrong, where, and what to do; it may be worded
differently in another version. Options are named in quotes, as the library spells them:
\`'learningRate'\`.

A command that fails prints the message on stderr, with flags in place of the options. With \`--json\` it
also prints \`{"error": {"code": "...", "message": "..."}}\` on stdout. The column "exit" is its exit code;
\`PETAL_INTERRUPTED\` ends with 130.

This page is made from \`packages/petalface/src/error-codes.ts\`.

| code | exit | meaning | what to do |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
  await expect(text).toMatchFileSnapshot(join(root, "docs/errors.md"));
});

it("uses every code, and none that is not in the table", () => {
  const used = new Set(
    sources.filter(({ path }) => path !== "error-codes.ts").flatMap(({ text }) => text.match(/PETAL_[A-Z_]+/g) ?? []),
  );
  expect([...used].sort()).toEqual(kinds.map(([code]) => code).sort());
  for (const [code, { means, advice }] of kinds) {
    expect(code).toMatch(/^PETAL(_[A-Z]+){1,2}$/);
    for (const sentence of [means, advice]) expect(sentence, code).toMatch(/^[A-Z].{10,140}\.$/);
  }
});

it("is wrong usage by its code alone", () => {
  expect(new PetalfaceError("PETAL_OPTION_INVALID", "a").exitCode).toBe(2);
  expect(new PetalfaceError("PETAL_DATA_MISSING", "a", { cause: 1 })).toMatchObject({ exitCode: 1, cause: 1 });
  const missing = Object.assign(new Error("ENOENT"), { code: "ENOENT" });
  expect(readCode(missing, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED")).toBe("PETAL_DATA_MISSING");
  expect(readCode(new Error("x"), "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED")).toBe("PETAL_DATA_DAMAGED");
});

/** Text between quotes. A template's values are part of it. */
const literals = (text: string): string[] => text.match(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];

/**
 * Where two hyphens and a letter are no flag of petalface: the table of flags itself, style sheets,
 * options of npm and of V8, and jobs, which are commands.
 */
const notFlags =
  /^(allocator|training\/options\/table|api\/picture-page|evaluation\/report\/.*|models\/registry|runtime\/cuda|versions|server\/jobs\/jobs|server\/routes\/(jobs|job-files))\.ts$/;

it("names options as the library does outside of the command line: a message that names a flag is of no use to its callers", () => {
  const named = sources
    .filter(({ path }) => !path.startsWith("cli/") && !notFlags.test(path))
    .flatMap(({ path, text }) =>
      literals(text)
        .filter((literal) => /--(?:[a-z]|\$\{)/.test(literal))
        .map((literal) => `${path}: ${literal}`),
    );
  expect(named).toEqual([]);
});

it("has a flag for every option that a message names in quotes", () => {
  // Of NumPy's header, SQL, a page's policy and CompreFace's answers.
  const others = new Set(["create", "descr", "json", "name", "none", "self", "settings", "shape", "subject", "vector"]);
  for (const { path, text } of sources.filter((source) => !source.path.startsWith("cli/")))
    for (const literal of literals(text))
      for (const [quoted, name = ""] of literal.matchAll(/'([a-z][A-Za-z]*)(?:=[^'\s]*)?'/g))
        if (!others.has(name)) expect(withFlags(quoted), path).toMatch(/^--[a-z-]+( \S*)?$/);
});

it("knows the options of training by the flags of their table", () => {
  for (const [name] of optionEntries) expect(withFlags(`'${name}'`)).toBe(flagOf(name));
});
