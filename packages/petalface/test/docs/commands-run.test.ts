import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { wholeProgram } from "../support/program.ts";
import { blocksOf, commandsOf, pages, petalfaceArguments } from "./blocks.ts";

/**
 * Replaces what each command does by nothing; what remains is the check of its arguments and
 * options.
 */
function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {}, outputError: () => {} });
  command.action(() => {});
  for (const inner of command.commands) disarm(inner);
}

/**
 * The call of petalface within a line: after another program, such as mpirun, and before a pipe.
 */
function callIn(words: readonly string[]): readonly string[] | undefined {
  const start = words.indexOf("petalface");
  const call = petalfaceArguments(words) ?? (start < 0 || words[0] === "docker" ? undefined : words.slice(start + 1));
  const end = call?.findIndex((word) => ["|", ">", "&&"].includes(word) || word.endsWith(";")) ?? -1;
  return end < 0 ? call : call?.slice(0, end);
}

describe("the command line accepts every command that the docs show", () => {
  const calls = pages.flatMap((page) =>
    blocksOf(page)
      .filter(({ language }) => language === "sh")
      .flatMap((block) => commandsOf(block))
      .flatMap((words) => {
        const call = callIn(words);
        return call === undefined ? [] : [{ page, call }];
      }),
  );

  it("finds commands", () => expect(calls.length).toBeGreaterThan(100));

  it.each(calls.map(({ page, call }) => [page, call.join(" "), call] as const))(
    "%s: petalface %s",
    async (_page, _text, call) => {
      const program = await wholeProgram();
      disarm(program);
      const outcome = await program.parseAsync([...call], { from: "user" }).then(
        () => "accepted",
        (error: { code?: string; message: string }) =>
          error.code?.startsWith("commander.help") || error.code === "commander.version" ? "accepted" : error.message,
      );
      expect(outcome).toBe("accepted");
    },
  );
});
