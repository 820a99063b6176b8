import type { MarkdownRenderer } from "vitepress";

/** Takes the link from text that points to source code, which is in the repository but not on the site. */
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
