import { expect, test } from "vitest";
import { type ErrorCode, PetalfaceError } from "../../src/errors.ts";
import { problemOf } from "../../src/server/http/errors.ts";

/** The problem of an error with this code, and the lines of the log. */
function seen(code: ErrorCode) {
  const lines: string[] = [];
  const problem = problemOf(new PetalfaceError(code, "people.db: the message"), (line) => lines.push(line));
  return [problem?.status, problem?.code, problem?.message, problem?.retryAfter, lines];
}

test.each(["PETAL_BUSY", "PETAL_DATABASE_FAILED", "PETAL_OUTPUT_FAILED"] as const)(
  "%s is no fault of the request, and its message stays in the log",
  (code) => {
    const detail = "the gallery cannot be read or written now";
    expect(seen(code)).toEqual([503, "unavailable", detail, 5, ["people.db: the message"]]);
  },
);

test.each(["PETAL_GALLERY_DAMAGED", "PETAL_ENGINE_FAILED", "PETAL_SYSTEM_FAILED"] as const)(
  "%s is a fault of the server",
  (code) => expect(seen(code)).toEqual([undefined, undefined, undefined, undefined, []]),
);

test("a thread that has ended is being replaced", () => {
  expect(seen("PETAL_THREAD_ENDED")).toEqual([503, "restarting", "people.db: the message", 1, []]);
});

test("others are what the request asks for in vain", () => {
  expect(seen("PETAL_PERSON_UNKNOWN")).toEqual([422, "invalid-request", "people.db: the message", undefined, []]);
});
