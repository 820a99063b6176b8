/** Markup that is safe to insert as it stands. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | undefined | readonly Part[];

/**
 * Escapes text for content and for quoted attributes; control characters and half surrogates become
 * visible.
 */
export function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\t\n]/gu, "\ufffd")
    .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * A template whose values are escaped, except what is {@link Html} already. Arrays are joined,
 * undefined is nothing.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.reduce((out, text, index) => out + render(parts[index - 1]) + text) };
}

/** Declares text to be markup. Only for what this program made itself. */
export function raw(markup: string): Html {
  return { html: markup };
}

function render(part: Part): string {
  if (part === undefined) return "";
  if (typeof part === "string" || typeof part === "number") return escapeHtml(String(part));
  return "html" in part ? part.html : part.map(render).join("");
}
