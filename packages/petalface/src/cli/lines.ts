/** Columns that every printed line fits into, unless one word (a path, say) is longer. */
export const columns = 80;

/**
 * Breaks lines that are too long at spaces; what follows is indented a little more than the line.
 */
export function fitLines(text: string, width: number = columns): string {
  return text
    .split("\n")
    .map((line) => {
      const indent = line.length - line.trimStart().length;
      return line.length <= width ? line : breakAtSpaces(line, width, " ".repeat(indent + 2));
    })
    .join("\n");
}

/** Line breaks at single spaces: no line is longer than `width`, but for words that are. */
export function breakAtSpaces(text: string, width: number, indent = ""): string {
  const lead = /^ */.exec(text)?.[0] ?? "";
  return joinParts(text.slice(lead.length).split(/(?<= )/), width, lead, indent);
}

/** The same for a cell of a table, which may also be broken behind commas and slashes. */
export const breakCell = (text: string, width: number): string => joinParts(partsOfCell(text), width);

/** Length of the longest part of a cell that is not broken. */
export const longestPart = (text: string): number =>
  Math.max(...partsOfCell(text).map((part) => part.trimEnd().length));

const partsOfCell = (text: string): string[] => text.split(/(?<=[ ,/])/);

function joinParts(parts: readonly string[], width: number, lead = "", indent = ""): string {
  const lines: string[] = [];
  let line = lead;
  for (const part of parts) {
    if (line.trim() !== "" && line.length + part.trimEnd().length > width) {
      lines.push(line.trimEnd());
      line = indent + part;
    } else line += part;
  }
  return [...lines, line].join("\n");
}
