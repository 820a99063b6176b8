/** Columns that every printed line fits into, unless one word (a path, say) is longer. */
export const columns = 80;

/** Breaks lines that are too long at spaces; what follows is indented a little more than the line. */
export function fitLines(text: string, width: number = columns): string {
  return text
    .split("\n")
    .map((line) => {
      const indent = line.length - line.trimStart().length;
      return breakAtSpaces(line, width, " ".repeat(indent + 2));
    })
    .join("\n");
}

/** Greedy line breaks at single spaces: no line is longer than `width`, but for words that are. */
export function breakAtSpaces(text: string, width: number, indent = ""): string {
  if (text.length <= width) return text;
  const lead = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = lead;
  for (const word of text.slice(lead.length).split(" ")) {
    if (line.trim() !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else line = line.trim() === "" ? line + word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
