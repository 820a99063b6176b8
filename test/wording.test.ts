import { expect, it } from "vitest";
import { findLongComments, findLongLines, findLongSentences, findPhrases } from "../scripts/wording.ts";

it("finds a phrase at its line, whatever its case, also over the line breaks of comments and paragraphs", () => {
  expect(findPhrases("fine\nFaces Made Worse step by step")).toEqual([
    { line: 2, problem: '"Made Worse": write degraded' },
  ]);
  expect(findPhrases("/**\n * faces made\n * worse\n */")).toMatchObject([{ line: 2 }]);
  expect(findPhrases("// faces made\n  // worse")).toMatchObject([{ line: 1 }]);
  expect(findPhrases("is made\nworse, and as one likes")).toMatchObject([{ line: 1 }, { line: 2 }]);
});

it("leaves other words alone", () => {
  expect(findPhrases("remade worse; inhabit; degraded faces; it made some worse")).toEqual([]);
});

it("finds long lines of text, and none in tables, code and headings of one long link", () => {
  const words = "word ".repeat(30).trim();
  expect(findLongLines(`short\n${words}\n- ${words}`)).toMatchObject([{ line: 2 }, { line: 3 }]);
  expect(findLongLines(`| ${words} |\n    ${words}\n\`\`\`ts\n${words}\n\`\`\`\n[link](${"x".repeat(200)})`)).toEqual(
    [],
  );
  expect(findLongLines(`\`\`\`\n\`\`\`\n${words}`)).toMatchObject([{ line: 3 }]);
  expect(findLongLines("\u{1f600} ".repeat(50))).toEqual([]);
});

it("finds long lines of comments, and none of code, orders to tools and links", () => {
  const words = "word ".repeat(30).trim();
  expect(findLongComments(`// ${words}\nconst a = 1;\n/** ${words} */\n  /**\n   * ${words}\n   */`)).toMatchObject([
    { line: 1 },
    { line: 3 },
    { line: 5 },
  ]);
  expect(findLongComments(`const a = "${words}";\n// biome-ignore ${words}\n// https://${"x".repeat(100)}`)).toEqual(
    [],
  );
});

it("finds sentences of more than 25 words, and none in code, tables, headings and front matter", () => {
  const words = (count: number): string => Array.from({ length: count }, () => "word").join(" ");
  const found = (markdown: string): number[] => findLongSentences(markdown).map(({ line }) => line);
  expect(found(`${words(25)}. ${words(25)}.`)).toEqual([]);
  expect(found(`${words(26)}.`)).toEqual([1]);
  expect(found(`Short.\n\nShort. ${words(20)}\n${words(6)}: end`)).toEqual([3]);
  expect(found(`- ${words(20)}\n- ${words(20)}\n  ${words(6)}\n1. ${words(26)}`)).toEqual([2, 4]);
  expect(found(`\`${words(30)}\` ${words(20)} [${words(4)}](${words(9)}) - + =.`)).toEqual([]);
  expect(found(`\`a\` ${words(20)} [${words(5)}](b).`)).toEqual([1]);
  const left = [
    `# ${words(26)}`,
    `| ${words(26)} |`,
    `    ${words(26)}`,
    `\`\`\`sh\n${words(26)}\n\`\`\``,
    `<!-- ${words(26)} -->`,
  ];
  expect(found(left.join("\n\n"))).toEqual([]);
  expect(found(`---\ntext: ${words(26)}\n---\n${words(26)}`)).toEqual([4]);
});
