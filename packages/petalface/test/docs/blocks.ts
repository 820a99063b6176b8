import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** The repository. */
export const root = resolve(import.meta.dirname, "../../../..");

/** A block of code on a page. */
export interface Block {
  /** Its page, from the repository on. */
  readonly page: string;
  /** Line of its first mark, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** Why it is not run, where the page says so: `<!-- not run: REASON -->` before the block. */
  readonly reason: string | undefined;
}

/** Pages for users; docs/reference is made from the program. */
export const pages: readonly string[] = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"], { cwd: root })
  .map((page) => page.replaceAll("\\", "/"))
  .filter((page) => !page.startsWith("docs/reference/") && !page.includes("node_modules"))
  .sort();

/** The blocks of a text, in its order. */
export function blocksIn(page: string, text: string): Block[] {
  const fence = /^(?:<!-- not run: (.+) -->\n)?```(\w*)\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fence)].map(({ index, 1: reason, 2: language = "", 3: code = "" }) => ({
    page,
    line: text.slice(0, index).split("\n").length + (reason === undefined ? 0 : 1),
    language,
    code,
    reason,
  }));
}

/** The blocks of a page. */
export const blocksOf = (page: string): Block[] => blocksIn(page, readFileSync(join(root, page), "utf8"));

/**
 * Words of a command line as a shell reads them; quotes hold words together, a comment ends them.
 */
export function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");
  const comment = words.findIndex((word) => word.startsWith("#"));
  return comment < 0 ? words : words.slice(0, comment);
}

/** The command lines of a block, as words; lines that end in `\` are one. */
export const commandsOf = ({ code }: Block): string[][] =>
  code
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map(wordsOf)
    .filter((words) => words.length > 0);

/** Arguments of petalface where a command line calls it, in any of the ways that pages show. */
export function petalfaceArguments(words: readonly string[]): readonly string[] | undefined {
  const text = words.join(" ");
  if (words[0] === "petalface") return words.slice(1);
  if (text.startsWith("npx petalface ")) return words.slice(2);
  return text.startsWith("npm run petalface -- ") ? words.slice(4) : undefined;
}
