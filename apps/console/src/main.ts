import { adaptView } from "./adapt.ts";
import { ask, type Gallery } from "./api.ts";
import { byId, counted } from "./dom.ts";
import { measureView } from "./measure.ts";
import { peopleView } from "./people.ts";
import { failed, say } from "./state.ts";
import { thresholdView } from "./threshold.ts";
import { tryView } from "./try.ts";

const parts = {
  try: tryView,
  people: peopleView,
  adapt: adaptView,
  measure: measureView,
  threshold: thresholdView,
} as const;
type Part = keyof typeof parts;

const view = byId("view", HTMLElement);
const select = byId("gallery", HTMLSelectElement);
const galleries = new Map<string, Gallery>();

async function refresh(): Promise<void> {
  const { galleries: list } = await ask<{ galleries: Gallery[] }>("GET", "galleries");
  galleries.clear();
  for (const gallery of list) galleries.set(gallery.name, gallery);
}

function show(isMoved: boolean): void {
  const name = location.hash.slice(1);
  const part: Part = Object.hasOwn(parts, name) ? (name as Part) : "try";
  const gallery = galleries.get(select.value);
  if (gallery === undefined) return;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${part.charAt(0).toUpperCase()}${part.slice(1)} - petalface`;
  say(
    `${counted(gallery.people, "person")}, ${counted(gallery.faces, "face")}; model ${gallery.model}${gallery.adapter === null ? "" : " with an adapter"}`,
  );
  view.replaceChildren(parts[part](gallery, () => void refresh().catch(failed)));
  if (isMoved) byId("main", HTMLElement).focus();
}

try {
  await refresh();
  for (const name of galleries.keys()) select.append(new Option(name, name));
  byId("gallery-label", HTMLElement).hidden = galleries.size < 2;
  select.addEventListener("change", () => show(false));
  addEventListener("hashchange", () => void refresh().then(() => show(true), failed));
  show(false);
} catch (error) {
  failed(error);
}
