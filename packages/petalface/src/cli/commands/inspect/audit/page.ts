import sharp from "sharp";
import type { Findings, NamedFace, NamedGroup } from "../../../../api/findings.ts";
import type { FaceData } from "../../../../data/index.ts";
import { type Html, html, raw, reportStyle } from "../../../../evaluation/index.ts";
import { fromPlanes, type ImageSource, type Loader } from "../../../../images/index.ts";

/** Findings of a kind that the page shows, and faces of one group. */
const mostFindings = 100;
const mostFaces = 8;
const thumbnail = 84;

/** What a page needs besides the findings. */
export interface PageTask {
  readonly findings: Findings;
  readonly data: FaceData;
  readonly against: FaceData | undefined;
  readonly loader: Loader;
}

/** One row of the page: some faces, and a line about them. */
interface Row {
  readonly faces: readonly NamedFace[];
  readonly text: string;
}

interface Section {
  readonly title: string;
  readonly about: string;
  readonly rows: readonly Row[];
}

/** The findings with pictures as one HTML file that needs nothing else. */
export async function renderAuditPage(task: PageTask): Promise<string> {
  const sections = sectionsOf(task);
  const pictures = await thumbnails(
    task,
    sections.flatMap(({ rows }) => rows.slice(0, mostFindings).flatMap(({ faces }) => faces.slice(0, mostFaces))),
  );
  const { findings, data, against } = task;
  const title = `petalface inspect ${data.spec}`;
  const body = html`<header><h1>${title}</h1>
<p class="lead">${findings.pictures.toLocaleString("en")} pictures compared${against === undefined ? "" : `, ${against.length.toLocaleString("en")} of them from ${against.spec}`}.</p>
<p class="sub">${sections.map(({ title: what, rows }) => `${what}: ${rows.length.toLocaleString("en")}`).join(" · ")}</p></header>
${sections.map((section) => renderSection(section, pictures))}`;
  return `<!doctype html>
${
  html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title><style>${raw(`${reportStyle}
.row{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0 4px}.row figure{width:${thumbnail}px}.row img{width:${thumbnail}px;height:${thumbnail}px;border-radius:6px;display:block}
.row figcaption{font-size:12px;overflow-wrap:anywhere}`)}</style></head><body><main>
${body}
<footer>Written by petalface. The pictures are in this file: it is as private as they are.</footer></main></body></html>
`.html
}`;
}

function sectionsOf({ findings, data, against }: PageTask): Section[] {
  const firstOf = faceOfPerson(data, "data");
  const firstOther = against && faceOfPerson(against, "against");
  const copies = (groups: readonly NamedGroup[]): Row[] =>
    groups
      .toSorted((a, b) => Number(b.people) + Number(b.sets) - Number(a.people) - Number(a.sets))
      .map(({ faces, distance, people, sets }) => ({
        faces,
        text: [
          `${faces.length} pictures`,
          ...(distance > 0 ? [`${distance} of 256 bits differ`] : []),
          ...(people ? ["under several names"] : []),
          ...(sets ? ["in both sets"] : []),
        ].join(", "),
      }));
  const { outliers, shared } = findings;
  return [
    { title: "Exact copies", about: "Every pixel is the same.", rows: copies(findings.exact) },
    {
      title: "Near copies",
      about: "Compressed, resized or brightened copies, or frames of one video.",
      rows: copies(findings.near),
    },
    ...(outliers === null
      ? []
      : [
          {
            title: "Wrong names",
            about: `The face is no nearer to its person's others than different people are${outliers.below === null ? "" : ` (cosine below ${outliers.below.toFixed(2)})`}. After it: a face of its person, then of the person it resembles.`,
            rows: outliers.faces.map(({ own, like, ...face }) => ({
              faces: [face, ...firstOf(face.person, face.id), ...(like === null ? [] : firstOf(like.person, face.id))],
              text: `${face.id}: ${own.toFixed(2)} to ${face.person ?? "?"}${like === null ? "" : `, ${like.cosine.toFixed(2)} to ${like.person}`}`,
            })),
          },
        ]),
    ...(shared === null || firstOther === undefined
      ? []
      : [
          {
            title: "Equal names in both sets",
            about: "One face of each set.",
            rows: shared.names.map((name) => ({ faces: [...firstOf(name), ...firstOther(name)], text: name })),
          },
          ...(shared.alike === null
            ? []
            : [
                {
                  title: "People who look like one",
                  about: `The mean embeddings are near (cosine from ${shared.from?.toFixed(2)}).`,
                  rows: shared.alike.map(({ person, other, cosine }) => ({
                    faces: [...firstOf(person), ...firstOther(other)],
                    text: `${person} and ${other}: ${cosine.toFixed(2)}`,
                  })),
                },
              ]),
        ]),
  ];
}

/** Finds a face of a person that is not the given one. */
function faceOfPerson(data: FaceData, set: NamedFace["set"]) {
  const faces = new Map<string, string[]>();
  for (let index = 0; index < data.length; index++) {
    const { person, id } = data.at(index);
    const name = data.people[person];
    if (name === undefined) continue;
    const known = faces.get(name);
    if (known === undefined) faces.set(name, [id]);
    else if (known.length < 2) known.push(id);
  }
  return (person: string | undefined, not?: string): NamedFace[] => {
    const id = person === undefined ? undefined : faces.get(person)?.find((each) => each !== not);
    return id === undefined ? [] : [{ id, person, set }];
  };
}

function renderSection({ title, about, rows }: Section, pictures: ReadonlyMap<string, string>): Html {
  const left = rows.length - mostFindings;
  return html`<h2>${title}: ${rows.length.toLocaleString("en")}</h2><p class="note">${about}</p>${rows
    .slice(0, mostFindings)
    .map(
      ({ faces, text }) =>
        html`<div class="row">${faces.slice(0, mostFaces).map((face) => {
          const picture = pictures.get(keyOf(face));
          return html`<figure>${picture === undefined ? undefined : html`<img alt="${face.id}" src="${picture}">`}<figcaption>${face.id}${face.set === "against" ? " (other set)" : ""}</figcaption></figure>`;
        })}</div><p class="note">${text}</p>`,
    )}${left > 0 ? html`<p class="note">${left.toLocaleString("en")} more are in --json.</p>` : undefined}`;
}

const keyOf = ({ set, id }: NamedFace): string => `${set}:${id}`;

/** JPEG data URIs of the faces that are shown. */
async function thumbnails(
  { data, against, loader }: PageTask,
  faces: readonly NamedFace[],
): Promise<Map<string, string>> {
  const wanted = new Set(faces.map(keyOf));
  const found: { readonly key: string; readonly source: ImageSource }[] = [];
  for (const [set, name] of [
    [data, "data"],
    [against, "against"],
  ] as const)
    for (let index = 0; index < (set?.length ?? 0); index++) {
      const sample = set?.at(index);
      const key = `${name}:${sample?.id}`;
      if (sample !== undefined && wanted.has(key)) found.push({ key, source: sample.source });
    }
  const pictures = new Map<string, string>();
  for (const { key, source } of found) {
    let bad = false;
    const planes = await loader.load([{ source, flip: false }], () => {
      bad = true;
    });
    if (bad) continue;
    const jpeg = await sharp(fromPlanes(planes), { raw: { width: loader.size, height: loader.size, channels: 3 } })
      .resize(thumbnail)
      .jpeg({ quality: 80 })
      .toBuffer();
    pictures.set(key, `data:image/jpeg;base64,${jpeg.toString("base64")}`);
  }
  return pictures;
}
