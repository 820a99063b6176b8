import { ask, type Found, formOf, type Gallery, type Judged, type SearchAnswer } from "./api.ts";
import { counted, h, section, svg } from "./dom.ts";
import { photoField } from "./photos.ts";
import { failed, say } from "./state.ts";

/** The part *Try*: who is in a photo. */
export function tryView(gallery: Gallery): HTMLElement {
  const results = h("div", { class: "results" });
  const track = h("input", { type: "checkbox" });
  const search = async (photos: File[]): Promise<void> => {
    say(`Looking at ${photos.length === 1 ? "the photo" : counted(photos.length, "photo")}`);
    const query = new URLSearchParams({ crops: "true", top: "5" });
    if (track.checked) query.set("track", "true");
    else query.set("all", "true");
    if (gallery.adapter !== null) query.set("frozen", "true");
    try {
      const path = `galleries/${encodeURIComponent(gallery.name)}/search?${query}`;
      const answer = await ask<SearchAnswer>("POST", path, formOf(photos));
      results.replaceChildren(...show(answer, photos, track.checked));
      const matches = answer.photos.filter(({ decision }) => decision === "match").length;
      say(`${counted(answer.photos.length, "face")}, ${matches} recognised`);
    } catch (error) {
      results.replaceChildren();
      failed(error);
    }
  };
  const empty =
    gallery.people > 1
      ? null
      : h(
          "p",
          { class: "note" },
          "Two people at least must be enrolled before faces can be distinguished. ",
          h("a", { href: "#people" }, "Enrol people"),
        );
  return section(
    "Who is it?",
    h(
      "p",
      {},
      `Give a photo: petalface finds the faces and names the nearest of ${counted(gallery.people, "person")} enrolled.`,
    ),
    empty,
    photoField("Choose photos, or drop them here", (photos) => void search(photos)),
    h("label", { class: "check" }, track, "The photos are frames of one face"),
    results,
  );
}

function show({ photos: found, thresholds }: SearchAnswer, photos: readonly File[], isTrack: boolean): HTMLElement[] {
  const cards: HTMLElement[] = [];
  const groups = isTrack ? new Map([["", found]]) : Map.groupBy(found, ({ photo }) => photo);
  for (const [name, faces] of groups) {
    const file = photos.find((photo) => photo.name === name);
    cards.push(
      h(
        "article",
        { class: "photo" },
        h("h3", {}, isTrack ? `${counted(photos.length, "frame")} of one face` : name),
        file === undefined ? null : overview(file, faces),
        ...faces.map((face, at) => card(face, at + 1, faces.length > 1)),
      ),
    );
  }
  const { kind, table, faces, note } = thresholds;
  const source =
    kind === "estimated"
      ? `estimated on ${counted(faces ?? 0, "face")} enrolled, for a false-positive rate of ${table.rate ?? "?"}`
      : kind;
  return [...cards, h("p", { class: "note" }, `Thresholds: ${source}${note === undefined ? "" : `; ${note}`}.`)];
}

/** The photo with a numbered frame about each face. */
function overview(file: File, faces: readonly Found[]): HTMLElement {
  const url = URL.createObjectURL(file);
  const image = h("img", {
    src: url,
    alt: `${file.name}, in which ${counted(faces.length, "face")} ${faces.length === 1 ? "was" : "were"} found`,
  });
  const frame = h("div", { class: "overview" }, image);
  image.addEventListener("load", () => {
    URL.revokeObjectURL(url);
    const { naturalWidth: width, naturalHeight: height } = image;
    const boxes = faces.flatMap(({ box }, at) => {
      if (!box) return [];
      const [left, top, right, bottom] = box;
      const size = Math.max(width, height) / 28;
      return [
        svg("rect", { x: left, y: top, width: right - left, height: bottom - top, "stroke-width": size / 6 }),
        svg("text", { x: left, y: Math.max(size, top - size / 3), "font-size": size }, at + 1),
      ];
    });
    frame.append(svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...boxes));
  });
  return frame;
}

function card(found: Found, number: number, isOneOfSeveral: boolean): HTMLElement {
  const { crop, alpha, resolution, frozen, detail } = found;
  const facts = [
    ...(alpha === null ? [] : [`quality ${Math.round(100 * alpha)} %`]),
    ...(resolution === undefined ? [] : [`${Math.round(resolution)} px`]),
    ...(detail === null ? [] : [detail]),
  ];
  return h(
    "div",
    { class: `face ${found.decision}` },
    crop === undefined
      ? null
      : h("img", { class: "crop", src: `data:image/png;base64,${crop}`, alt: `Face ${number} as the model sees it` }),
    h(
      "div",
      {},
      h("p", { class: "verdict" }, isOneOfSeveral ? `${number}. ` : "", verdict(found)),
      facts.length > 0 && h("p", { class: "note" }, facts.join(", ")),
      found.falseAcceptRate !== null && h("p", { class: "note" }, sureness(found.falseAcceptRate)),
      frozen && h("p", { class: "note" }, `Without the adapter: ${verdict(frozen)}`),
      found.candidates.length > 0 && nearest(found, number),
    ),
  );
}

function verdict({ decision, person, reason, cosine, threshold }: Judged): string {
  const numbers =
    cosine === null || threshold === null ? "" : ` (${cosine.toFixed(2)}, threshold ${threshold.toFixed(2)})`;
  if (decision === "match") return `${person}${numbers}`;
  return `${decision === "unknown" ? "Unknown" : "Cannot be used"}: ${reason}${numbers}`;
}

/** How often a stranger would reach this cosine. */
function sureness({ rate, below, impostors }: NonNullable<Judged["falseAcceptRate"]>): string {
  const share = rate > 0.1 ? `${Math.round(100 * rate)} %` : `1 in ${Math.round(1 / rate).toLocaleString("en")}`;
  return `Strangers who come as near: ${below ? "fewer than " : ""}${share} (of ${impostors.toLocaleString("en")} compared)`;
}

/** The nearest people, with bars that show where the threshold is. */
function nearest({ candidates, threshold, frozen }: Found, number: number): HTMLElement {
  const frozenOf = new Map(frozen?.candidates.map(({ person, cosine }) => [person, cosine]));
  const rows = candidates.map(({ person, cosine }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, person),
      h("td", { class: "number" }, cosine.toFixed(3)),
      h("td", { class: "wide" }, bar(cosine, threshold)),
      frozen && h("td", { class: "number" }, frozenOf.get(person)?.toFixed(3) ?? "farther"),
    ),
  );
  return h(
    "table",
    {},
    h("caption", {}, `Nearest people to face ${number}`),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Person"),
        h("th", { scope: "col", class: "number" }, "Cosine"),
        h("th", { scope: "col", class: "wide" }, "Against the threshold"),
        frozen && h("th", { scope: "col", class: "number" }, "Without the adapter"),
      ),
    ),
    h("tbody", {}, ...rows),
  );
}

function bar(cosine: number, threshold: number | null): SVGElement {
  const x = (value: number): number => 100 * Math.min(1, Math.max(0, value));
  const isAbove = threshold !== null && cosine > threshold;
  const text = threshold === null ? "no threshold" : isAbove ? "above the threshold" : "below the threshold";
  return svg(
    "svg",
    {
      viewBox: "0 0 100 10",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": text,
      class: isAbove ? "bar above" : "bar",
    },
    svg("rect", { class: "ground", width: 100, height: 10 }),
    svg("rect", { class: "value", width: x(cosine), height: 10 }),
    threshold !== null && svg("rect", { class: "line", x: x(threshold) - 0.5, width: 1, height: 10 }),
  );
}
