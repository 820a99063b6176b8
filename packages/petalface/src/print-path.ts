/**
 * A path for a message of one line: as it is, or as a JSON string where it holds line breaks, other
 * control characters or marks that turn the direction of text around, any of which could make a
 * terminal show something else, or bytes that are no UTF-8.
 */
export function printPath(path: string): string {
  return /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(path)
    ? JSON.stringify(path).replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, escapeUnit)
    : path;
}

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * A path, or another argument, in a command that people copy: in quotes where a shell would cut or
 * change it. A path that begins with a dash gets `./`, because it would be read as an option. One
 * that {@link printPath} prints as JSON is printed so here too.
 */
export function printArgument(text: string): string {
  const path = text.startsWith("-") ? `./${text}` : text;
  const shown = printPath(path);
  return shown !== path || /^[\p{L}\p{N}_./:@%+=,-]+$/u.test(path) ? shown : `'${path.replaceAll("'", "'\\''")}'`;
}
