import { type TProperties, type TSchema, Type } from "typebox";
import type { Box, FivePoints } from "../../faces/index.ts";
import { alignedModes } from "../photos/read.ts";
import { problemTitles } from "../problem.ts";

const literals = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });

/** An error, as RFC 9457 says it. */
const problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: "What is wrong, and what to do" }),
    code: literals(Object.keys(problemTitles), "For programs: the same error has the same code in every version"),
    request: Type.String({ description: "Id of the request, as in the header x-request-id" }),
  },
  { additionalProperties: true, description: "Problem details (RFC 9457)" },
);

/** The answers of a route: that of success, and problems for all else. */
export const answers = (success: TSchema, more: Readonly<Record<number, TSchema>> = {}) => ({
  200: success,
  ...more,
  "4xx": problem,
  "5xx": problem,
});

/** A number or null. */
export const maybe = <T extends TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

/** Where a face is, and how good. */
export const faceFields = {
  box: maybe(
    Type.Unsafe<Box>({ type: "array", items: { type: "number" }, minItems: 4, maxItems: 4 }),
    "Left, top, right, bottom in pixels of the photo; null for an aligned face",
  ),
  points: maybe(
    Type.Unsafe<FivePoints>({
      type: "array",
      items: { type: "array", items: { type: "number" } },
      minItems: 5,
      maxItems: 5,
    }),
    "Eyes, nose and corners of the mouth, [x, y]",
  ),
  score: maybe(Type.Number(), "Of the detector, 0 to 1"),
  rotation: Type.Number({ description: "Degrees by which the photo was rotated, so that the face is upright" }),
  resolution: Type.Number({ description: "Pixels of the photo along the aligned face" }),
  crop: Type.Optional(Type.String({ description: "The aligned face as a PNG or as it was sent, base64 (crops=true)" })),
};

/** A face with its quality. */
export const judgedFields = {
  alpha: Type.Number({ description: "Quality from 0 to 1" }),
  quality: maybe(Type.Number(), "Score of the quality measure, in its own unit"),
};

/** A query without other parameters: a misspelt one is an error. */
export const strict = <T extends TProperties>(fields: T) => Type.Object(fields, { additionalProperties: false });

/** Query parameters of routes that take photos. */
export const photoQuery = {
  aligned: Type.Optional(
    literals(alignedModes, "Whether photos are aligned faces; auto: squares of at most 160 px are (default auto)"),
  ),
  minScore: Type.Optional(
    Type.Number({ minimum: 0, maximum: 1, description: "Detector's score from which on a box is a face" }),
  ),
  crops: Type.Optional(Type.Boolean({ description: "Also give each aligned face as a picture (default false)" })),
};

/** Every face of a photo, or the one that it is of. */
export const allQuery = {
  all: Type.Optional(
    Type.Boolean({ description: "Every face of a photo, not only the one that it is of (default false)" }),
  ),
};

/** The name of a gallery in a path. */
export const galleryParams = { gallery: Type.String({ minLength: 1, maxLength: 200 }) };

/** The name of a person. */
export const personName = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: "^[^\\u0000-\\u001f\\u007f]*\\S[^\\u0000-\\u001f\\u007f]*$",
});

/** How photos are sent, for the documentation. */
export const photoBody =
  'Send photos as multipart/form-data (field `photo`, repeatable) or as JSON: `{"photos": ["base64", ...]}`.';

/** What becomes of faces that are deleted. */
export const removal = Type.Object({
  person: Type.String(),
  faces: Type.Integer({ description: "Faces that were deleted" }),
  fragments: Type.Integer({ description: "Pieces of them that were looked for in the gallery's files" }),
  found: Type.Integer({ description: "Pieces that are still there: another process reads an older state" }),
});

/** A person of a gallery, in a path. */
export const personParams = Type.Object({ ...galleryParams, person: personName });
