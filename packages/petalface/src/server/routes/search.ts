import { type Static, Type } from "typebox";
import {
  type ChosenThresholds,
  countDecisions,
  type Decision,
  type DecisionRules,
  decide,
  type FaceDescription,
  joinTrack,
  shownThresholds,
  singleThreshold,
} from "../../gallery/index.ts";
import { fieldsOf } from "../../json.ts";
import { normaliseRows } from "../../matching/index.ts";
import type { App, ServerContext } from "../context.ts";
import type { ProbeFace, SearchResult, ServedGallery } from "../gallery/served.ts";
import { readUpload, type Upload } from "../http/body.ts";
import type { PhotoFace } from "../photos/read.ts";
import { Problem } from "../problem.ts";
import { aboutFace, aboutProblem, describeAll, galleryOf, seePhotos } from "./faces.ts";
import { allQuery, answers, faceFields, galleryParams, maybe, photoBody, photoQuery, strict } from "./schemas.ts";

const candidate = Type.Object({ person: Type.String(), cosine: Type.Number() });
const judged = Type.Object({
  decision: Type.Unsafe<Decision["decision"]>({ type: "string", enum: ["match", "unknown", "unusable"] }),
  reason: maybe(Type.String(), "Why it is not a match"),
  threshold: maybe(Type.Number(), "What the cosine of a match exceeds, for this quality"),
  person: maybe(Type.String(), "Who it is; null unless it is a match"),
  cosine: maybe(Type.Number(), "Of the nearest person"),
  falseAcceptRate: maybe(
    Type.Object({
      rate: Type.Number({ description: "Share of searches for strangers that reach this cosine" }),
      below: Type.Boolean({ description: "Whether none did: the rate is below the one that is given" }),
      interval: Type.Tuple([Type.Number(), Type.Number()], { description: "95 % interval of the rate" }),
      impostors: Type.Integer({ description: "How many it was measured on" }),
    }),
    "How sure it is; null where nothing has measured it, and thresholds.note says what would",
  ),
  candidates: Type.Array(candidate, { description: "The nearest people, nearest first" }),
});

const photoAnswer = Type.Object({
  photo: Type.String(),
  alpha: maybe(Type.Number(), "Quality from 0 to 1"),
  detail: maybe(Type.String()),
  ...judged.properties,
  box: Type.Optional(faceFields.box),
  points: Type.Optional(faceFields.points),
  score: Type.Optional(faceFields.score),
  rotation: Type.Optional(faceFields.rotation),
  resolution: Type.Optional(faceFields.resolution),
  crop: faceFields.crop,
  problem: Type.Optional(Type.Object({ code: Type.String(), detail: Type.String() })),
  frozen: Type.Optional(
    Type.Object(judged.properties, { description: "What the model says without its adapter (frozen=true)" }),
  ),
});

/** The answer for one photo or face. */
type PhotoAnswer = Static<typeof photoAnswer>;

const answer = Type.Object({
  gallery: Type.String(),
  enrolled: Type.Integer({ description: "People who are enrolled" }),
  templates: Type.String(),
  thresholds: Type.Object(
    {
      kind: Type.String({ description: "given, stored or estimated" }),
      table: Type.Object({
        rate: Type.Optional(Type.Number()),
        rows: Type.Array(
          Type.Object({ alpha: Type.Tuple([Type.Number(), Type.Number()]), cosine: maybe(Type.Number()) }),
        ),
      }),
      faces: Type.Optional(Type.Integer()),
      smallestRate: Type.Optional(Type.Number()),
      note: Type.Optional(Type.String({ description: "Why decisions have no false-accept rate, and what gives it" })),
    },
    { description: "Thresholds by alpha, and where they come from" },
  ),
  counts: Type.Object(
    { match: Type.Integer(), unknown: Type.Integer(), unusable: Type.Integer() },
    { description: "How often each answer was given" },
  ),
  photos: Type.Array(photoAnswer, {
    description: "One answer for each photo, each face (all=true), or all frames together (track=true)",
  }),
});

const share = (description: string) => Type.Optional(Type.Number({ minimum: 0, maximum: 1, description }));
const query = strict({
  ...photoQuery,
  ...allQuery,
  track: Type.Optional(Type.Boolean({ description: "The photos are frames of one face: one answer (default false)" })),
  top: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: "Nearest people that are listed (default 5)" }),
  ),
  threshold: Type.Optional(
    Type.Number({ minimum: -1, maximum: 1, description: "What the cosine of a match exceeds, whatever the quality" }),
  ),
  margin: share("By how much the second person must be farther away"),
  minAlpha: share("Quality below which a face is unusable"),
  frozen: Type.Optional(
    Type.Boolean({ description: "Also say what the model without its adapter says (default false)" }),
  ),
});

interface Rules {
  readonly top: number;
  readonly threshold: number | undefined;
  readonly margin: number;
  readonly lowestAlpha: number;
}

/** `/v1/galleries/{gallery}/search`. */
export function searchRoutes(app: App, context: ServerContext): void {
  app.post(
    "/v1/galleries/:gallery/search",
    {
      config: { scope: "search" },
      schema: {
        tags: ["search"],
        summary: "Say who faces are, or that they are unknown",
        description: `${photoBody} Instead of photos, JSON may hold embeddings: \`{"embeddings": [{"embedding": [...], "alpha": 1}]}\`. The answer has the fields of \`petalface gallery search 'json'\`.`,
        params: Type.Object(galleryParams),
        querystring: query,
        response: answers(answer),
      },
    },
    async (request) => {
      const gallery = galleryOf(context, request.params.gallery);
      const { search } = context;
      const {
        top = search.top,
        threshold,
        margin = search.margin,
        minAlpha: lowestAlpha = search.lowestAlpha,
      } = request.query;
      const rules = { top, threshold, margin, lowestAlpha };
      const upload = await readUpload(request, context.limits);
      const run: Run = (probe, alpha) => searchFace(gallery, probe, alpha, rules, request.deadline);
      const given = upload.photos.length === 0 ? embeddingsOf(upload, gallery) : undefined;
      const found =
        given === undefined
          ? await searchPhotos(upload, gallery, request.query, run, request.deadline, context)
          : await Promise.all(
              given.map(async (probe, at) => ({
                photo: `embedding ${at + 1}`,
                alpha: probe.alpha,
                detail: null,
                ...(await run(probe, probe.alpha)),
              })),
            );
      return gallery.use(async (state) => ({
        gallery: gallery.name,
        enrolled: state.people.length,
        templates: context.templates,
        thresholds: shownThresholds(thresholdsOf(state.thresholds, threshold), gallery.store.settings),
        counts: countDecisions(found),
        photos: found,
      }));
    },
  );
}

/** Searches for one face and decides who it is, by the thresholds for this alpha. */
type Run = (probe: ProbeFace, alpha: number) => Promise<Static<typeof judged>>;

async function searchPhotos(
  { photos }: Upload,
  gallery: ServedGallery,
  options: { readonly all?: boolean; readonly track?: boolean; readonly crops?: boolean; readonly frozen?: boolean },
  run: Run,
  signal: AbortSignal,
  context: ServerContext,
): Promise<readonly PhotoAnswer[]> {
  if (photos.length === 0) throw new Problem(400, "no-photo", "send photos, or embeddings");
  const { track = false, all = false, crops, frozen = false } = options;
  const seen = await seePhotos(photos, { ...options, all: all && !track }, signal, context);
  const faces = seen.flatMap(({ seen: found }) => (found instanceof Problem ? [] : found.faces));
  const described = new Map<PhotoFace, FaceDescription>();
  const list = await describeAll(faces, gallery, signal);
  faces.forEach((face, at) => {
    const one = list[at];
    if (one !== undefined) described.set(face, one);
  });
  // Copies were made with the adapter: the frozen model's embedding is compared with the faces
  // alone.
  const bare = async (some: ReadonlyMap<PhotoFace, FaceDescription>): Promise<Static<typeof judged>> => {
    const own = [...some].map(async ([face, { alpha }]) => {
      const { vector, ...rest } = await gallery.recogniser.describeFrozen(face.crop, signal);
      return { ...rest, vector, alpha };
    });
    const { unit, alpha } = await joinTrack(await Promise.all(own));
    // No search by this model has measured how often it accepts strangers.
    return { ...(await run({ unit, alpha: 1 }, alpha)), falseAcceptRate: null };
  };
  if (track) {
    const [joined, without] = await Promise.all([
      searchTrack(photos.length, [...described.values()], run),
      frozen && described.size > 0 ? bare(described) : undefined,
    ]);
    return [{ ...joined, ...(without && { frozen: without }) }];
  }
  const jobs = seen.flatMap(({ name, seen: found }): (PhotoAnswer | Promise<PhotoAnswer>)[] => {
    if (found instanceof Problem) return [unusable(name, "it cannot be read", found)];
    if (found.faces.length === 0) return [unusable(name, "no face was found")];
    return found.faces.map(async (face): Promise<PhotoAnswer> => {
      const one = described.get(face);
      if (one === undefined) throw new Error("a face without a description");
      const [own, without] = await Promise.all([
        run(probeOf(one), one.alpha),
        frozen ? bare(new Map([[face, one]])) : undefined,
      ]);
      return {
        photo: name,
        alpha: one.alpha,
        detail: null,
        ...own,
        ...aboutFace(face, crops),
        ...(without && { frozen: without }),
      };
    });
  });
  return Promise.all(jobs);
}

async function searchTrack(frames: number, faces: readonly FaceDescription[], run: Run): Promise<PhotoAnswer> {
  if (faces.length === 0) return unusable("track", "no face was found");
  const { unit, alpha, used } = await joinTrack(faces);
  return {
    photo: "track",
    alpha,
    detail: `${used.length} of ${frames} frames`,
    ...(await run({ unit, alpha }, alpha)),
  };
}

const unusable = (photo: string, reason: string, problem?: Problem): PhotoAnswer => ({
  photo,
  alpha: null,
  detail: problem?.message ?? null,
  decision: "unusable" as const,
  reason,
  threshold: null,
  person: null,
  cosine: null,
  falseAcceptRate: null,
  candidates: [],
  ...(problem && { problem: aboutProblem(problem) }),
});

const probeOf = ({ vector, alpha }: FaceDescription): ProbeFace => ({
  unit: normaliseRows(vector, vector.length),
  alpha,
});

async function searchFace(
  gallery: ServedGallery,
  probe: ProbeFace,
  alpha: number,
  rules: Rules,
  signal: AbortSignal,
): Promise<Static<typeof judged>> {
  // The second person is needed even where one is listed.
  const hasCopies = gallery.store.settings.copies.length > 0;
  return answerOf(alpha, await gallery.search(probe, Math.max(2, rules.top), signal), { ...rules, hasCopies });
}

function answerOf(
  alpha: number,
  { candidates, state }: SearchResult,
  { top, threshold, margin, lowestAlpha, hasCopies }: Rules & Pick<DecisionRules, "hasCopies">,
) {
  const { table } = thresholdsOf(state.thresholds, threshold);
  const rules = { thresholds: table, margin, lowestAlpha, people: state.people.length, hasCopies };
  const { nearest, ...rest } = decide(alpha, candidates, rules);
  const nameOf = (person: number): string => state.byId.get(person)?.name ?? "";
  return {
    ...rest,
    person: rest.decision === "match" && nearest !== null ? nameOf(nearest.person) : null,
    cosine: nearest?.cosine ?? null,
    candidates: candidates.slice(0, top).map(({ person, cosine }) => ({ person: nameOf(person), cosine })),
  };
}

/** Thresholds of a request, else of the gallery. Throws a {@link Problem} where there are none. */
function thresholdsOf(known: ChosenThresholds | undefined, given: number | undefined): ChosenThresholds {
  if (given !== undefined) return { kind: "given", table: singleThreshold(given) };
  if (known === undefined)
    throw new Problem(
      409,
      "no-threshold",
      "a threshold can be estimated where at least two people are enrolled; enrol more, or give threshold=COSINE",
    );
  return known;
}

/**
 * Embeddings of a request; undefined where it has none. Throws a {@link Problem} where they are not
 * the model's.
 */
function embeddingsOf({ fields }: Upload, gallery: ServedGallery): readonly ProbeFace[] | undefined {
  const { embeddings } = fields;
  if (embeddings === undefined) return undefined;
  const { width } = gallery.recogniser.model.record.space;
  const wrong = new Problem(
    400,
    "invalid-request",
    `embeddings is a list of 1 to 256 objects: embedding (${width} numbers, not all 0) and alpha (0 to 1; 1 unless given)`,
  );
  if (!Array.isArray(embeddings) || embeddings.length === 0 || embeddings.length > 256) throw wrong;
  return embeddings.map((entry: unknown) => {
    const { embedding, alpha = 1 } = fieldsOf(entry);
    if (!Array.isArray(embedding) || embedding.length !== width) throw wrong;
    const vector = Float32Array.from(embedding, (value) => (typeof value === "number" ? value : Number.NaN));
    const isFine = vector.every(Number.isFinite) && vector.some((value) => value !== 0);
    if (!isFine || typeof alpha !== "number" || !(alpha >= 0 && alpha <= 1)) throw wrong;
    return { unit: normaliseRows(vector, width), alpha };
  });
}
