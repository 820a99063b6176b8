/** A phrase in a text that should be written otherwise, or a line that is too long. */
export interface Finding {
  /** Counted from 1. */
  readonly line: number;
  readonly problem: string;
}

/**
 * Phrases of this project's early texts that readers did not understand, and what to write instead.
 */
export const phrases: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/\bmade worse\b/i, "degraded"],
  [/\bas one likes\b/i, "any"],
  [/\bhabits?\b/i, "systematic offset, convention"],
  [/\breckoned\b/i, "estimated"],
  [/\bfreed (of|from)\b/i, "corrected for, without"],
  [/\btold\b/i, "given, reported, distinguished"],
  [/\b(is|are|was|were|it|them|stored|read) turned\b(?! (out|off|on|into))/i, "transposed, rotated, mirrored"],
  [/\bsilenc(es|ed)\b|\bsilent (at|by|under|where)\b/i, "set to 0, inactive"],
  [/\bnobody\b/i, "no person, unknown"],
  [/\bwhom\b/i, "who, that"],
  [/\bbeside\b/i, "next to, in addition to, compared with, parallel to"],
  [/\bgo(es|ne) on\b/i, "continues"],
  [/\banew\b/i, "again"],
  [/\bis said\b/i, "is reported, is listed"],
  [/\bmend(s|ed|ing)?\b/i, "fix, repair"],
  [/\bin turns\b/i, "alternately"],
  [/\blone\b/i, "single"],
];

const longest = 100;
const mostWords = 25;

/**
 * Phrases in a text, whatever its format. A phrase may continue on the next line, also behind the
 * star of a comment.
 * @returns one finding for each phrase, at the line where it begins
 */
export function findPhrases(text: string, list = phrases): Finding[] {
  const joined = text.replaceAll(/\n[ \t]*(\* |\/\/ |# )?/g, (gap) => `\n${" ".repeat(gap.length - 1)}`);
  return list.flatMap(([phrase, instead]) => {
    const pattern = new RegExp(phrase.source.replaceAll(" ", "\\s+"), `g${phrase.flags.replace("g", "")}`);
    return [...joined.matchAll(pattern)].map(({ 0: found, index }) => ({
      line: joined.slice(0, index).split("\n").length,
      problem: `"${found.replaceAll(/\s+/g, " ")}": write ${instead}`,
    }));
  });
}

/**
 * Lines of Markdown text of more than 100 characters; tables, code and lines that a link or a path
 * makes long are left out.
 */
export function findLongLines(markdown: string): Finding[] {
  let fenced = false;
  return markdown.split("\n").flatMap((text, index) => {
    if (text.startsWith("```")) fenced = !fenced;
    const words = text.trim().split(/\s+/).length;
    const other = fenced || /^(```|\|| {4})/.test(text) || words < 4;
    return other || [...text].length <= longest
      ? []
      : [{ line: index + 1, problem: `${[...text].length} characters; text has at most ${longest} in a line` }];
  });
}

/**
 * Lines of TypeScript comments of more than 100 characters, where a comment has lines of its own;
 * orders to tools and lines that a link or a name makes long are left out.
 */
export function findLongComments(source: string): Finding[] {
  return source.split("\n").flatMap((text, index) => {
    const comment = /^\s*(?:\/\/|\/\*\*|\*)\s*(.*)$/.exec(text)?.[1];
    if (comment === undefined || [...text].length <= longest) return [];
    if (/^(biome-|@ts-|\|)/.test(comment) || comment.split(/\s+/).length < 4) return [];
    return [{ line: index + 1, problem: `${[...text].length} characters; a comment has at most ${longest} in a line` }];
  });
}

/** Paragraphs and list items of Markdown, without code, tables, headings and HTML. */
function paragraphsOf(markdown: string): { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | undefined;
  let fenced = false;
  const frontMatter = /^---\n[\s\S]*?\n---\n/.exec(markdown)?.[0].match(/\n/g)?.length ?? 0;
  for (const [index, text] of markdown.split("\n").entries()) {
    const fence = /^\s*```/.test(text);
    if (fence) fenced = !fenced;
    const code = open === undefined && /^ {4}/.test(text);
    if (index < frontMatter || fence || fenced || code || /^\s*($|[|<#])/.test(text)) open = undefined;
    else {
      const item = /^\s*(?:[-*]|\d+\.) /.exec(text)?.[0];
      if (open === undefined || item !== undefined) {
        open = { line: index + 1, text: "" };
        found.push(open);
      }
      open.text += ` ${text.slice(item?.length ?? 0).trim()}`;
    }
  }
  return found;
}

/**
 * Sentences of Markdown text of more than 25 words. A span of code is one word, and a link counts
 * as its text; signs alone are no words.
 * @returns one finding for each sentence, at the line where its paragraph begins
 */
export function findLongSentences(markdown: string): Finding[] {
  return paragraphsOf(markdown).flatMap(({ line, text }) =>
    text
      .replaceAll(/`[^`]*`/g, "code")
      .replaceAll(/\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
      .split(/(?<=[.!?][)"*_]*)\s+/)
      .map((sentence) => ({
        sentence,
        words: sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length,
      }))
      .filter(({ words }) => words > mostWords)
      .map(({ sentence, words }) => ({
        line,
        problem: `${words} words in "${sentence.trim().slice(0, 50)}..."; a sentence has at most ${mostWords}`,
      })),
  );
}
