import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FaceData } from "../../data/index.ts";
import type { EnrollingStore, Enrolment, GateReason, PicturePlace, Refusal } from "../../gallery/index.ts";
import { type ImageSource, openLoader } from "../../images/index.ts";
import { makeTemporary } from "../../temporary.ts";
import {
  mostRows,
  type PagePicture,
  type PageRow,
  type PageSection,
  renderPicturePage,
  thumbnailOf,
} from "../picture-page.ts";

/** A picture without a face to enrol, and why. */
export interface LeftPicture {
  readonly id: string;
  readonly reason: string;
}

/** What the page is about. */
export interface GatePage {
  readonly enrolment: Enrolment;
  readonly left: readonly LeftPicture[];
  /** The faces that were given. */
  readonly data: FaceData;
  readonly store: EnrollingStore;
  /** Whether the refused faces were enrolled all the same. */
  readonly force: boolean;
}

/** What the gate refuses, in the order of the page. */
const kinds: readonly (readonly [reason: GateReason, title: string, about: string])[] = [
  [
    "like somebody else",
    "The face of somebody else",
    "The face is nearer to another enrolled person than to its own. After it: faces of that person, then of its own.",
  ],
  [
    "not like the person's other faces",
    "Not like the person's other faces",
    "The face is no nearer to its person than strangers are. After it: other faces of the person.",
  ],
  [
    "two people under one name",
    "Two people under one name",
    "The faces divide into two people, and neither has most of them. After it: a face of the other one.",
  ],
  [
    "near copy",
    "Near copies",
    "Compressed, resized or brightened copies, or frames of one video. After it: the original.",
  ],
  ["blurred", "Blurred", "The quality is below the gate's limit."],
  ["too small", "Too small", "A side is shorter than the gate's limit."],
];

/** Side at which faces are loaded for the page. */
const side = 112;
/** Faces of a person that are shown next to a doubted one. */
const compared = 2;

/** What the gate refused, with pictures, as one HTML file that needs nothing else. */
export async function renderGatePage({ enrolment, left, data, store, force }: GatePage): Promise<string> {
  const { refused, added } = enrolment;
  const temporary = await makeTemporary();
  await using loader = openLoader({ size: side, threads: 0 });
  try {
    const shown = kinds.flatMap(([reason]) => refused.filter((one) => one.reason === reason).slice(0, mostRows));
    const places = placesOf(data, shown, left.slice(0, mostRows));
    const draw = async (source: ImageSource | undefined, caption: string): Promise<PagePicture> => ({
      image: source && (await thumbnailOf(loader, source)),
      caption,
    });
    const inSet = (id: string, caption = id): Promise<PagePicture> => draw(places.sources.get(id), caption);
    const inGallery = async (face: number, caption: string): Promise<PagePicture> => {
      const crop = await store.crop(face);
      if (crop === null) return { image: undefined, caption: `${caption} (enrolled; no picture is kept)` };
      const path = join(temporary.path, String(face));
      await writeFile(path, crop);
      return draw({ kind: "file", path }, `${caption} (enrolled)`);
    };
    const at = (place: PicturePlace, person: string): Promise<PagePicture> =>
      "picture" in place ? inSet(place.picture) : inGallery(place.face, person);
    const facesOf = async (person: string, without: string): Promise<PagePicture[]> => {
      const given = (places.people.get(person) ?? []).filter((id) => id !== without).slice(0, compared);
      if (given.length > 0) return await Promise.all(given.map((id) => inSet(id, person)));
      const id = (await store.ids([person])).get(person);
      const faces = id === undefined ? [] : (await store.faces([id])).slice(0, compared);
      return await Promise.all(faces.map((face) => inGallery(face.id, person)));
    };
    const rowOf = async (one: Refusal): Promise<PageRow> => ({
      pictures: [
        await inSet(one.id),
        ...(one.copyOf === undefined ? [] : [await at(one.copyOf, one.person)]),
        ...(one.like === undefined ? [] : await facesOf(one.like, one.id)),
        ...(one.unlike === undefined ? [] : [await inSet(one.unlike)]),
        ...(one.cosine === undefined || one.unlike !== undefined ? [] : await facesOf(one.person, one.id)),
      ],
      text: `${one.id} as ${one.person}: ${one.reason}${one.like === undefined ? "" : `, ${one.like}`}${one.cosine === undefined ? "" : ` (cosine ${one.cosine.toFixed(2)})`}`,
    });
    const sections: PageSection[] = [];
    for (const [reason, title, about] of kinds) {
      const some = refused.filter((one) => one.reason === reason);
      if (some.length === 0) continue;
      const rows: PageRow[] = [];
      for (const one of some.slice(0, mostRows)) rows.push(await rowOf(one));
      sections.push({ title, about, rows, count: some.length });
    }
    if (left.length > 0) {
      const rows: PageRow[] = [];
      for (const { id, reason } of left.slice(0, mostRows)) rows.push({ pictures: [await inSet(id)], text: reason });
      sections.push({
        title: "No face to enrol",
        about: "The picture shows no face, or cannot be read.",
        rows,
        count: left.length,
      });
    }
    const lead =
      refused.length === 0
        ? `${added.toLocaleString("en")} faces enrolled, none refused.`
        : `${added.toLocaleString("en")} faces enrolled, ${refused.length.toLocaleString("en")} ${force ? "enrolled against the gate's advice" : "refused"}.`;
    return renderPicturePage({ title: `petalface gallery add ${store.path}`, lead, sections });
  } finally {
    temporary.remove();
  }
}

/** Where the pictures of the page are, and some faces of the people on it. */
function placesOf(data: FaceData, refused: readonly Refusal[], left: readonly LeftPicture[]) {
  const wanted = new Set([
    ...refused.map(({ id }) => id),
    ...refused.flatMap(({ copyOf }) => (copyOf !== undefined && "picture" in copyOf ? [copyOf.picture] : [])),
    ...refused.flatMap(({ unlike }) => (unlike === undefined ? [] : [unlike])),
    ...left.map(({ id }) => id),
  ]);
  const people = new Map<string, string[]>(
    refused.flatMap(({ person, like }) => [person, ...(like === undefined ? [] : [like])].map((name) => [name, []])),
  );
  const doubted = new Set(refused.map(({ id }) => id));
  const sources = new Map<string, ImageSource>();
  for (let index = 0; index < data.length; index++) {
    const { id, person, source } = data.at(index);
    const some = people.get(data.people[person] ?? "");
    const isExample = some !== undefined && some.length <= compared && !doubted.has(id);
    if (isExample) some.push(id);
    if (isExample || wanted.has(id)) sources.set(id, source);
  }
  return { sources, people };
}
