import type { FaceData } from "../../data/index.ts";
import type { ImageSource, Loader } from "../../images/index.ts";
import { mostPictures, mostRows, renderPicturePage, thumbnailOf } from "../picture-page.ts";
import type { Findings, NamedFace, NamedGroup } from "./findings.ts";

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
  const sections = sectionsOf(task).map(({ rows, ...about }) => ({
    ...about,
    count: rows.length,
    rows: rows.slice(0, mostRows).map(({ faces, text }) => ({ faces: faces.slice(0, mostPictures), text })),
  }));
  const pictures = await thumbnails(
    task,
    sections.flatMap(({ rows }) => rows.flatMap(({ faces }) => faces)),
  );
  const { findings, data, against } = task;
  return renderPicturePage({
    title: `petalface inspect ${data.spec}`,
    lead: `${findings.pictures.toLocaleString("en")} pictures compared${against === undefined ? "" : `, ${against.length.toLocaleString("en")} of them from ${against.spec}`}.`,
    sections: sections.map(({ rows, ...about }) => ({
      ...about,
      rows: rows.map(({ faces, text }) => ({
        text,
        pictures: faces.map((face) => ({
          image: pictures.get(keyOf(face)),
          caption: `${face.id}${face.set === "against" ? " (other set)" : ""}`,
        })),
      })),
    })),
  });
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
    const picture = await thumbnailOf(loader, source);
    if (picture !== undefined) pictures.set(key, picture);
  }
  return pictures;
}
