/** A gallery as the server lists it. */
export interface Gallery {
  readonly name: string;
  readonly people: number;
  readonly faces: number;
  readonly model: string;
  readonly adapter: string | null;
  readonly keepsCrops: boolean;
}

/** What was decided about a face. */
export interface Judged {
  readonly decision: "match" | "unknown" | "unusable";
  readonly reason: string | null;
  readonly threshold: number | null;
  readonly person: string | null;
  readonly cosine: number | null;
  readonly falseAcceptRate: {
    readonly rate: number;
    readonly below: boolean;
    readonly impostors: number;
  } | null;
  readonly candidates: readonly { readonly person: string; readonly cosine: number }[];
}

/** An answer for one face of a photo. */
export interface Found extends Judged {
  readonly photo: string;
  readonly alpha: number | null;
  readonly detail: string | null;
  readonly box?: readonly [number, number, number, number] | null;
  readonly resolution?: number;
  readonly crop?: string;
  readonly frozen?: Judged;
}

/** The answer to a search. */
export interface SearchAnswer {
  readonly enrolled: number;
  readonly thresholds: {
    readonly kind: string;
    readonly table: { readonly rate?: number };
    readonly faces?: number;
    readonly note?: string;
  };
  readonly photos: readonly Found[];
}

/** A person as the server lists it. */
export interface Person {
  readonly name: string;
  readonly faces: number;
  readonly lowestAlpha: number;
  readonly added: string;
}

/** What enrolling did, also where it did nothing. */
export interface Enrolled {
  readonly added: number;
  readonly known: number;
  readonly refused: readonly { readonly photo: string; readonly reason: string; readonly like?: string }[];
  readonly leftOut: readonly { readonly photo: string; readonly detail: string }[];
}

/** Scores of enrolled faces with their own person and with others. */
export interface Scores {
  readonly enrolled: number;
  readonly faces: readonly {
    readonly person: string;
    readonly own: number | null;
    readonly other: number;
    readonly like: string;
  }[];
}

/** An error that the server answered. */
export class ServerError extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(typeof body.detail === "string" ? body.detail : `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Asks the server. Throws {@link ServerError}, or an error that says that it cannot be reached. */
export async function ask<Answer>(method: string, path: string, body?: FormData | object): Promise<Answer> {
  const isForm = body instanceof FormData;
  const response = await fetch(`./v1/${path}`, {
    method,
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    ...(body !== undefined && !isForm && { headers: { "content-type": "application/json" } }),
  }).catch(() => {
    throw new Error("the server cannot be reached; is petalface serve still running?");
  });
  const answer = (await response.json().catch(() => ({}))) as Answer;
  if (!response.ok) throw new ServerError(response.status, answer as Readonly<Record<string, unknown>>);
  return answer;
}

/** Photos as a form. */
export function formOf(photos: readonly File[]): FormData {
  const form = new FormData();
  for (const photo of photos) form.append("photo", photo, photo.name);
  return form;
}

/** The path of a person in a gallery. */
export const personPath = (gallery: Gallery, person: string): string =>
  `galleries/${encodeURIComponent(gallery.name)}/people/${encodeURIComponent(person)}`;
