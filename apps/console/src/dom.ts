type Child = Node | string | number | null | undefined | false;
type Properties = Readonly<Record<string, unknown>>;

/**
 * Makes an element. Properties that begin with `on` are listeners; those that are false or
 * undefined are left out; all others are attributes. No text ever becomes markup.
 */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  assign(element, properties);
  append(element, children);
  return element;
}

/** The same for SVG. */
export function svg(name: string, properties: Properties = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  assign(element, properties);
  append(element, children);
  return element;
}

function assign(element: Element, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

const append = (element: Element, children: readonly Child[]): void => {
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
};

/** An element of the page. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const plurals = { face: "faces", file: "files", frame: "frames", person: "people", photo: "photos" } as const;

/** A number with what it counts: `1 face`, `1,000 faces`. */
export const counted = (count: number, noun: keyof typeof plurals): string =>
  `${count.toLocaleString("en")} ${count === 1 ? noun : plurals[noun]}`;

/** A heading with what belongs under it. */
export const section = (title: string, ...children: Child[]): HTMLElement =>
  h("section", {}, h("h2", {}, title), ...children);

/** Asks with a dialog that the keyboard can use; false where it was given up. */
export function confirmWith(title: string, text: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title),
      h("p", {}, text),
      h(
        "form",
        { method: "dialog", class: "row" },
        h("button", { value: "yes", class: "danger" }, action),
        h("button", { value: "no", autofocus: true }, "Cancel"),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
