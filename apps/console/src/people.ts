import { ask, type Enrolled, formOf, type Gallery, type Person, personPath, ServerError } from "./api.ts";
import { confirmWith, counted, h, section } from "./dom.ts";
import { photoField } from "./photos.ts";
import { failed, say } from "./state.ts";

interface Page {
  readonly people: readonly Person[];
  readonly total: number;
  readonly next: string | null;
}

/** The part *People*: enrol, rename, remove. `changed` is called when the gallery has changed. */
export function peopleView(gallery: Gallery, changed: () => void): HTMLElement {
  const list = h("ul", { class: "people" });
  const more = h("button", { type: "button", hidden: true }, "Show more people");
  const count = h("p", { class: "note" });
  const find = h("input", { type: "search", placeholder: "part of a name" });
  let next: string | null = null;
  let turn = 0;

  async function load(isMore: boolean): Promise<void> {
    const own = ++turn;
    const query = new URLSearchParams({ limit: "50", find: find.value });
    if (isMore && next !== null) query.set("cursor", next);
    try {
      const page = await ask<Page>("GET", `galleries/${encodeURIComponent(gallery.name)}/people?${query}`);
      // A later request has been made meanwhile.
      if (own !== turn) return;
      next = page.next;
      more.hidden = next === null;
      if (!isMore) list.replaceChildren();
      const first = list.children.length;
      list.append(...page.people.map((person) => entry(person, gallery, reload)));
      count.textContent =
        page.total === 0
          ? find.value === ""
            ? "No person is enrolled yet."
            : "No name has this text in it."
          : counted(page.total, "person");
      if (isMore) list.children[first]?.querySelector("summary")?.focus();
    } catch (error) {
      failed(error);
    }
  }
  const reload = async (text: string): Promise<void> => {
    say(text);
    changed();
    await load(false);
  };
  more.addEventListener("click", () => void load(true));
  find.addEventListener("input", () => void load(false));
  void load(false);
  return h(
    "div",
    {},
    enrolForm(gallery, reload),
    section("Enrolled people", h("label", {}, "Find ", find), count, list, more),
  );
}

function enrolForm(gallery: Gallery, reload: (text: string) => Promise<void>): HTMLElement {
  const name = h("input", { type: "text", autocomplete: "off", maxlength: 200, required: true });
  const objections = h("div");
  const send = async (photos: File[], force: boolean): Promise<void> => {
    const person = name.value.trim();
    if (person === "") {
      failed(new Error("Type a name first, then give the photos."));
      name.focus();
      return;
    }
    say(`Enrolling ${counted(photos.length, "photo")} of ${person}`);
    objections.replaceChildren();
    try {
      const answer = await ask<Enrolled>(
        "POST",
        `${personPath(gallery, person)}/faces${force ? "?force=true" : ""}`,
        formOf(photos),
      );
      showObjections(objections, answer, photos, (some) => void send(some, true));
      const known = answer.known > 0 ? `; ${answer.known} were there already` : "";
      await reload(`${person}: ${counted(answer.added, "face")} enrolled${known}`);
    } catch (error) {
      const isRefused = error instanceof ServerError && error.body.code === "refused";
      failed(isRefused ? new Error("No face is enrolled: something speaks against each of them, see below.") : error);
      if (error instanceof ServerError)
        showObjections(objections, error.body as Partial<Enrolled>, photos, (some) => void send(some, true));
    }
  };
  return section(
    "Enrol somebody",
    h("p", {}, "Some photos of one person, of which each shows the face well. More photos make recognition surer."),
    h("label", {}, "Name ", name),
    photoField("Choose photos, or drop them here", (photos) => void send(photos, false)),
    objections,
  );
}

/** What the gate objects to, with a button that enrols all the same. */
function showObjections(
  place: HTMLElement,
  { refused = [], leftOut = [] }: Partial<Enrolled>,
  photos: readonly File[],
  enrol: (photos: File[]) => void,
): void {
  if (refused.length + leftOut.length === 0) return;
  const names = new Set(refused.map(({ photo }) => photo));
  const again = photos.filter((photo) => names.has(photo.name));
  place.replaceChildren(
    h("h3", {}, "Not enrolled"),
    h(
      "ul",
      {},
      ...refused.map(({ photo, reason, like }) =>
        h("li", {}, thumbnail(photos, photo), `${photo}: ${reason}${like === undefined ? "" : ` (${like})`}`),
      ),
      ...leftOut.map(({ photo, detail }) => h("li", {}, thumbnail(photos, photo), `${photo}: ${detail}`)),
    ),
    again.length > 0 ? h("button", { type: "button", onclick: () => enrol(again) }, "Enrol these all the same") : "",
  );
}

/** A photo that was given, small; its name follows it. */
function thumbnail(photos: readonly File[], name: string): HTMLElement | null {
  const file = photos.find((photo) => photo.name === name);
  if (file === undefined) return null;
  const url = URL.createObjectURL(file);
  const image = h("img", { class: "thumbnail", src: url, alt: "" });
  for (const event of ["load", "error"]) image.addEventListener(event, () => URL.revokeObjectURL(url));
  return image;
}

function entry(person: Person, gallery: Gallery, reload: (text: string) => Promise<void>): HTMLElement {
  const { name, faces, lowestAlpha, added } = person;
  const body = h("div", { class: "person" });
  const details = h(
    "details",
    {},
    h("summary", {}, h("span", { class: "name" }, name), h("span", { class: "note" }, ` ${counted(faces, "face")}`)),
    body,
  );
  details.addEventListener("toggle", () => {
    if (details.open && body.children.length === 0) void fill();
  });
  async function fill(): Promise<void> {
    body.replaceChildren(
      h(
        "p",
        { class: "note" },
        `Lowest quality ${Math.round(100 * lowestAlpha)} %, enrolled on ${added.slice(0, 10)}.`,
      ),
      renameForm(person, gallery, reload),
      await faceList(person, gallery, reload),
      h("button", { type: "button", class: "danger", onclick: () => void remove() }, `Remove ${name}`),
    );
  }
  async function remove(): Promise<void> {
    const text = `${name} and ${counted(faces, "face")} are deleted from the gallery's file. This cannot be undone.`;
    if (!(await confirmWith(`Remove ${name}?`, text, "Remove"))) return;
    try {
      await ask("DELETE", personPath(gallery, name));
      await reload(`${name} is removed`);
    } catch (error) {
      failed(error);
    }
  }
  return h("li", {}, details);
}

function renameForm({ name }: Person, gallery: Gallery, reload: (text: string) => Promise<void>): HTMLElement {
  const input = h("input", { type: "text", value: name, maxlength: 200, required: true });
  const form = h("form", { class: "row" }, h("label", {}, "New name ", input), h("button", {}, "Rename"));
  const rename = async (merge: boolean): Promise<void> => {
    const to = input.value.trim();
    if (to === name || to === "") return;
    try {
      await ask("PATCH", personPath(gallery, name), { name: to, merge });
      await reload(merge ? `${name} and ${to} are one person now` : `${name} is called ${to} now`);
    } catch (error) {
      const isTaken = error instanceof ServerError && error.status === 409;
      if (!isTaken) return failed(error);
      const text = `Somebody is called ${to} already. Both become one person with all faces.`;
      if (await confirmWith("Make both one person?", text, "Make them one")) await rename(true);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void rename(false);
  });
  return form;
}

async function faceList(
  { name }: Person,
  gallery: Gallery,
  reload: (text: string) => Promise<void>,
): Promise<HTMLElement> {
  const path = personPath(gallery, name);
  const { faces } = await ask<{ faces: readonly { id: number; alpha: number; crop: boolean }[] }>(
    "GET",
    `${path}/faces`,
  );
  const items = faces.map(({ id, alpha, crop }, at) => {
    const remove = async (): Promise<void> => {
      const text =
        faces.length === 1
          ? `It is the only face of ${name}, who is removed too.`
          : `One of ${faces.length} faces of ${name} is deleted.`;
      if (!(await confirmWith("Remove this face?", text, "Remove"))) return;
      try {
        await ask("DELETE", `${path}/faces/${id}`);
        await reload(`one face of ${name} is removed`);
      } catch (error) {
        failed(error);
      }
    };
    return h(
      "li",
      {},
      crop && h("img", { src: `./v1/${path}/faces/${id}/crop`, alt: `Face ${at + 1} of ${name}`, loading: "lazy" }),
      h("span", {}, `quality ${Math.round(100 * alpha)} %`),
      h(
        "button",
        { type: "button", "aria-label": `Remove face ${at + 1} of ${name}`, onclick: () => void remove() },
        "Remove",
      ),
    );
  });
  return h("ul", { class: "faces" }, ...items);
}
