import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { MarkdownRenderer } from "vitepress";

/**
 * Takes the link from text that points to source code, which is in the repository but not on the
 * site.
 */
export function withoutSourceLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("source-links", ({ tokens }) => {
    for (const { children } of tokens)
      for (const token of children ?? []) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        if (href === null || /^(\w+:|#|\/)/.test(href) || /\.(md|html)(#.*)?$/.test(href)) continue;
        token.tag = "span";
        token.attrs = null;
        const end = children?.slice(children.indexOf(token)).find(({ type }) => type === "link_close");
        if (end !== undefined) end.tag = "span";
      }
  });
}

/** The heading of a page; undefined where it has none. */
const titleOf = (file: string): string | undefined => /^# (.+)$/m.exec(readFileSync(file, "utf8"))?.[1];

/** Links that read as a file's name in the repository read as the page's title on the site. */
export function withPageTitles(md: MarkdownRenderer): void {
  // Before the pages' own links lose their ending.
  md.core.ruler.push("page-titles", ({ tokens, env }) => {
    const { path } = env as { readonly path?: string };
    if (path === undefined) return;
    for (const { children } of tokens)
      for (const [at, token] of (children ?? []).entries()) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        const text = children?.[at + 1];
        if (href === null || text?.type !== "text" || !/^[\w./-]+\.md$/.test(text.content)) continue;
        if (!/^[^:]+\.md(#.*)?$/.test(href)) continue;
        text.content = titleOf(join(dirname(path), href.replace(/#.*/, ""))) ?? text.content;
      }
  });
}

/** Cells of tables with more characters than this hold text; they need some width. */
const longCell = 28;

/** Marks cells of tables that hold text, and those that hold one value with its interval. */
export function withCellKinds(md: MarkdownRenderer): void {
  md.core.ruler.push("cell-kinds", ({ tokens }) => {
    for (const [at, token] of tokens.entries()) {
      const text = token.type === "td_open" ? (tokens[at + 1]?.content ?? "") : "";
      if (/^\**-?[\d.]+ ± [\d.]+\**$/.test(text)) token.attrJoin("class", "value");
      else if (text.length > longCell && text.includes(" ")) token.attrJoin("class", "text");
    }
  });
}
