/** What the page reads of an OpenAPI document. */
interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses?: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
}

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Text that holds no markup. */
const plain = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Text with what stands between backticks as code. */
const prose = (text: string): string => plain(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");

/** The documentation of the routes as one page without scripts. */
export function docsPage(document: object): string {
  const { paths = {}, info } = document as {
    readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly info?: { readonly version?: string; readonly description?: string };
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const groups = Map.groupBy(operations, ({ operation }) => operation.tags?.[0] ?? "other");
  const contents = [...groups.keys()].map((tag) => `<li><a href="#${plain(tag)}">${plain(tag)}</a></li>`).join("");
  const sections = [...groups]
    .map(([tag, list]) => `<section id="${plain(tag)}"><h2>${plain(tag)}</h2>${list.map(article).join("")}</section>`)
    .join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>petalface: the API</title><link rel="icon" href="data:,"><link rel="stylesheet" href="docs.css"></head>
<body><main><h1>petalface: the API</h1>
<p>${prose(info?.description ?? "")}</p>
<p>The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<nav aria-label="Groups of routes"><ul>${contents}</ul></nav>
${sections}</main></body></html>
`;
}

function article({ path, method, operation }: { path: string; method: string; operation: Operation }): string {
  const { summary = "", description, parameters = [], requestBody, responses = {} } = operation;
  const rows = parameters.map(
    ({ name, in: place, required, description: about, schema }) =>
      `<tr><td><code>${plain(name)}</code></td><td>${plain(place)}${required ? "" : ", optional"}</td><td>${typeOf(schema)}</td><td>${prose(about ?? schema?.description ?? "")}</td></tr>`,
  );
  const table =
    rows.length === 0
      ? ""
      : `<table><thead><tr><th>Name</th><th>Where</th><th>Type</th><th>Meaning</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const success = Object.entries(responses).find(([status]) => status.startsWith("2"));
  const answer = Object.values(success?.[1].content ?? {})[0]?.schema;
  return `<article><h3><span>${method}</span> <code>${plain(path)}</code></h3><p>${prose(summary)}.</p>${
    description === undefined ? "" : `<p>${prose(description)}</p>`
  }${table}${fields("Body", body)}${fields("Answer", answer)}</article>`;
}

/** The fields of a body, in a part that can be opened. */
function fields(title: string, schema: Schema | undefined): string {
  if (schema?.properties === undefined) return "";
  return `<details><summary>${title}</summary>${list(schema)}</details>`;
}

function list(schema: Schema): string {
  const inner = schema.properties ?? schema.items?.properties;
  if (inner === undefined) return "";
  const items = Object.entries(inner).map(
    ([name, one]) => `<li><code>${plain(name)}</code> ${typeOf(one)} ${prose(one.description ?? "")}${list(one)}</li>`,
  );
  return `<ul>${items.join("")}</ul>`;
}

function typeOf(schema: Schema | undefined): string {
  if (schema === undefined) return "";
  if (schema.enum !== undefined && schema.enum.length < 10) return plain(schema.enum.join(" | "));
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return plain(schema.type ?? "");
}

/** Styles of the page, which its policy lets it load from the server alone. */
export const docsStyles = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
html{background:light-dark(#fff,#14161a);color:light-dark(#1d2129,#e8eaee)}
body{margin:0}main{max-width:60rem;margin:auto;padding:1rem}
article{border-top:1px solid color-mix(in srgb,currentColor 25%,transparent);padding:.5rem 0}
h3 span{font-size:.8em;border:1px solid;border-radius:.3em;padding:.1em .4em}
h3 code,td,th,li{overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}
a{color:light-dark(#a1255f,#f08fbd)}
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}
summary{cursor:pointer}nav ul{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}
`;
