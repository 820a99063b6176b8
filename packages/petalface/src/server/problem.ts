/**
 * What went wrong with a request, as RFC 9457 says it: one of these is answered, and nothing else
 * of an error.
 */
export class Problem extends Error {
  override name = "Problem";
  /** Status of HTTP. */
  readonly status: number;
  /** For programs: the same error has the same code in every version. */
  readonly code: ProblemCode;
  /** More that the answer says. */
  readonly more: Readonly<Record<string, unknown>>;
  /** Seconds after which another try may succeed. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: ProblemCode,
    detail: string,
    { retryAfter, ...more }: Readonly<Record<string, unknown>> & { readonly retryAfter?: number } = {},
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.more = more;
    this.retryAfter = retryAfter;
  }
}

/** Codes of problems, and their titles. */
export const problemTitles = {
  "invalid-request": "The request is not what the route takes",
  "no-photo": "The request holds no photo",
  "unreadable-photo": "The photo cannot be read",
  "too-large": "The request or a photo is too large",
  "too-many-photos": "The request holds too many photos",
  "unsupported-type": "The request's content type is not read",
  "no-face": "No face was found",
  "several-faces": "The photo shows several faces",
  refused: "The enrolment gate refuses the faces",
  "no-threshold": "No threshold is known",
  "no-detector": "This server has no face detector",
  "no-adapter": "This server has no adapter",
  "no-jobs": "This server runs no jobs",
  "wrong-state": "The job is not in a state for this",
  unauthorised: "A key is needed",
  forbidden: "The key may not do this",
  "foreign-origin": "Requests of other web pages are refused",
  "foreign-host": "The server is not known by this name",
  "not-found": "There is no such thing",
  "reused-key": "The idempotency key was used for another request",
  "too-many-requests": "Too many requests",
  busy: "The server is busy",
  unavailable: "The gallery cannot be read or written now",
  restarting: "A part of the server is being started again",
  timeout: "The request took too long",
  internal: "Internal error",
} as const;

/** A code of {@link problemTitles}. */
export type ProblemCode = keyof typeof problemTitles;
