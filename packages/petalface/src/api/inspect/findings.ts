import type { Audit, CopyGroup } from "../../audit/index.ts";
import type { FaceData } from "../../data/index.ts";

/** One face as a reader knows it. */
export interface NamedFace {
  readonly id: string;
  /** undefined where the person is unknown. */
  readonly person: string | undefined;
  /** `against` for a face of the second set. */
  readonly set: "data" | "against";
}

/** Copies of one picture. */
export interface NamedGroup {
  readonly faces: readonly NamedFace[];
  /** Bits of 256 in which neighbours of the chain differ at most. */
  readonly distance: number;
  /** It is listed under more than one person. */
  readonly people: boolean;
  /** It is in both sets. */
  readonly sets: boolean;
}

/** A face under a name that it does not look like. */
export interface NamedOutlier extends NamedFace {
  readonly own: number;
  readonly like: { readonly person: string; readonly cosine: number } | null;
}

/** An {@link Audit} in names: plain JSON. */
export interface Findings {
  readonly pictures: number;
  readonly unreadable: number;
  readonly problems: readonly string[];
  /** Pictures that the model has no finite embedding of. */
  readonly notFinite: readonly NamedFace[];
  readonly complete: boolean;
  readonly exact: readonly NamedGroup[];
  readonly near: readonly NamedGroup[];
  readonly outliers: { readonly below: number | null; readonly faces: readonly NamedOutlier[] } | null;
  readonly shared: {
    readonly names: readonly string[];
    readonly from: number | null;
    readonly alike: readonly { readonly person: string; readonly other: string; readonly cosine: number }[] | null;
  } | null;
}

/** Puts names to what an audit found. */
export function nameFindings(audit: Audit, data: FaceData, against: FaceData | undefined): Findings {
  const face = (picture: number): NamedFace => {
    const inFirst = picture < data.length || against === undefined;
    const set = inFirst ? data : against;
    const { id, person } = set.at(inFirst ? picture : picture - data.length);
    return { id, person: set.people[person], set: inFirst ? "data" : "against" };
  };
  const group = ({ members, distance }: CopyGroup): NamedGroup => {
    const faces = members.map(face);
    const people = new Set(faces.flatMap(({ person }) => (person === undefined ? [] : [person]))).size > 1;
    return { faces, distance, people, sets: new Set(faces.map(({ set }) => set)).size > 1 };
  };
  const { outliers, shared } = audit;
  const name = (set: FaceData, person: number): string => set.people[person] ?? "?";
  return {
    pictures: audit.pictures,
    unreadable: audit.unreadable,
    problems: audit.problems,
    notFinite: audit.notFinite.map(face),
    complete: audit.complete,
    exact: audit.exact.map(group),
    near: audit.near.map(group),
    outliers:
      outliers === undefined
        ? null
        : {
            below: outliers.levels?.outlier ?? null,
            faces: outliers.faces.map(({ face: index, own, like }) => ({
              ...face(index),
              own,
              like: like === undefined ? null : { person: name(data, like.person), cosine: like.cosine },
            })),
          },
    shared:
      shared === undefined || against === undefined
        ? null
        : {
            names: shared.names,
            from: shared.level ?? null,
            alike:
              shared.alike?.map(({ person, other, cosine }) => ({
                person: name(data, person),
                other: name(against, other),
                cosine,
              })) ?? null,
          },
  };
}
