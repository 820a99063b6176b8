import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A page of results, and how it was made. */
export interface ReproducibleTable {
  /** The page's name without its ending. */
  readonly name: string;
  readonly title: string;
  /**
   * Arguments of `npm run bench --`; the first is the benchmark. Undefined where the page names no
   * command.
   */
  readonly args: readonly string[] | undefined;
}

/** Words of a command as a shell reads them, without variables. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:"[^"]*"|'[^']*'|\\.|[^\s"'\\]+)+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'|\\(.)/g, (_, ...[twice, once, one]) => twice ?? once ?? one),
  );

/** The arguments that make this page, whatever the benchmark's usual page is. */
const writing = (args: readonly string[], name: string): string[] => [
  ...args,
  ...(args.some((word) => /^--page(=|$)/.test(word)) ? [] : ["--page", name]),
];

/** What the author of a page filled in, such as the path of a Python. */
export const placeholderIn = (args: readonly string[]): string | undefined =>
  args.find((word) => /^[A-Z]{2,}$/.test(word));

/**
 * The pages of a folder of results. The command is the page's own, its first `npm run bench` line,
 * so a page and what reproduces it cannot differ.
 */
export async function tablesIn(folder: string): Promise<ReproducibleTable[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".md") && name !== "README.md").sort();
  return Promise.all(
    names.map(async (file) => {
      const text = await readFile(join(folder, file), "utf8");
      const command = /^ {4}npm run bench -- (.+)$/m.exec(text)?.[1];
      const name = file.slice(0, -".md".length);
      return {
        name,
        title: /^# (.+)$/m.exec(text)?.[1] ?? file,
        args: command === undefined ? undefined : writing(wordsOf(command), name),
      };
    }),
  );
}
