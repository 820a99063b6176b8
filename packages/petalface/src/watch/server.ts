import { messageOf, PetalfaceError } from "../errors.ts";
import type { Track } from "../gallery/index.ts";
import type { Decided } from "./events.ts";

/** A server of `petalface serve` that knows the gallery. */
export interface ServerOptions {
  /** http://HOST:PORT */
  readonly address: string;
  readonly gallery: string;
  readonly key: string | undefined;
}

/** The part of a server's answer that is used. */
interface Answer {
  readonly photos?: readonly (Omit<Decided, "alpha" | "falseAcceptRate"> & Partial<Decided>)[];
  readonly detail?: string;
}

/** Milliseconds that a server has for an answer. */
const patience = 10_000;

/** Whether a server may answer later what it does not answer now. */
const isPassing = (status: number): boolean => status >= 500 || status === 429;

/**
 * Asks a server who a face is: the track's embedding is sent, no picture
 * (`POST /v1/galleries/{gallery}/search`). A server that does not answer or is overloaded leaves
 * the face `unusable`, with the reason: a camera is watched further.
 *
 * @throws PetalfaceError where the server refuses
 */
export async function decideOnServer({ unit, alpha }: Track, options: ServerOptions): Promise<Decided> {
  const url = new URL(`/v1/galleries/${encodeURIComponent(options.gallery)}/search`, options.address);
  const undecided = (why: string): Decided => ({
    decision: "unusable",
    reason: `the server ${why}`,
    person: null,
    cosine: null,
    threshold: null,
    falseAcceptRate: null,
    alpha,
  });
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      signal: AbortSignal.timeout(patience),
      headers: {
        "content-type": "application/json",
        ...(options.key !== undefined && { "x-api-key": options.key }),
      },
      body: JSON.stringify({ embeddings: [{ embedding: [...unit], alpha }] }),
    });
  } catch (cause) {
    return undecided(`does not answer (${messageOf(cause)})`);
  }
  const answer = (await response.json().catch(() => ({}))) as Answer;
  const [found] = answer.photos ?? [];
  if (!response.ok || found === undefined) {
    const why = `answered ${response.status}${answer.detail === undefined ? "" : `: ${answer.detail}`}`;
    if (isPassing(response.status)) return undecided(why);
    throw new PetalfaceError("PETAL_SERVER_FAILED", `the server ${options.address} ${why}`);
  }
  // Older servers say no rate.
  const { decision, reason, person, cosine, threshold, falseAcceptRate = null } = found;
  return { decision, reason, person, cosine, threshold, falseAcceptRate, alpha };
}
