import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { wholeProgram } from "../support/program.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"], { cwd: root })
  .filter((page) => !page.startsWith("docs/reference/") && !page.includes("node_modules"))
  .sort();

/** A call of petalface as a shell reads it: words, quotes, comments; lines that end in `\` are one. */
function callsOf(text: string): string[][] {
  const calls: string[][] = [];
  for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n")) {
    const call = /^(?: {4,}|\$ )?(?:npx |npm run )?petalface (?:-- )?(.+)$/.exec(line)?.[1];
    if (call === undefined) continue;
    const words = [...call.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");
    const end = words.findIndex((word) => ["#", "|", ">", "&&", "..."].includes(word));
    calls.push(end < 0 ? words : words.slice(0, end));
  }
  return calls;
}

/** Replaces what each command does by nothing; what remains is the check of its arguments and options. */
function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {}, outputError: () => {} });
  command.action(() => {});
  for (const inner of command.commands) disarm(inner);
}

const inCode = (text: string): string =>
  [...text.matchAll(/^```(?:sh|bash|text)?\n([\s\S]*?)^```/gm)].map(([, block]) => block).join("\n") +
  text
    .replaceAll(/^```[\s\S]*?^```/gm, "")
    .split("\n")
    .filter((line) => line.startsWith("    "))
    .join("\n");

describe("the command line accepts every command that the docs show", () => {
  const calls = pages.flatMap((page) =>
    callsOf(inCode(readFileSync(`${root}/${page}`, "utf8"))).map((words) => ({ page, words })),
  );

  it("finds commands", () => expect(calls.length).toBeGreaterThan(60));

  it.each(calls.map(({ page, words }) => [page, words.join(" "), words] as const))(
    "%s: petalface %s",
    async (_page, _text, words) => {
      const program = await wholeProgram();
      disarm(program);
      const outcome = await program.parseAsync(words, { from: "user" }).then(
        () => "accepted",
        (error: { code?: string; message: string }) =>
          error.code?.startsWith("commander.help") || error.code === "commander.version" ? "accepted" : error.message,
      );
      expect(outcome).toBe("accepted");
    },
  );
});
