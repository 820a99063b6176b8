import { itemAt } from "onnx-grad";
import { type Backbone, toInput } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import type { ImageRequest, Loader } from "../images/index.ts";
import { type Preprocessing, printNormalize } from "../models/index.ts";
import { random } from "../random.ts";
import { floatsOf, openSession, type SessionOptions } from "../runtime/index.ts";
import { type PairSums, type Separation, separationOf, separationsOf } from "./separation.ts";

/** One way to feed faces to a model, and how well it tells people apart then. */
export interface PreprocessingCandidate extends Preprocessing, Separation {
  /** As `--normalize` takes it. */
  readonly normalize: string;
  /** Whether this is the model's default preprocessing. */
  readonly assumed: boolean;
  /**
   * How surely it separates people better than the assumed one: share of the resamples over people
   * in which it does, 0 to 1.
   */
  readonly better: number;
}

/** What {@link comparePreprocessing} found. */
export interface PreprocessingFindings {
  /**
   * `right`: no other way is surely and clearly better. `wrong`: {@link instead} is. `unsure`: the
   * faces are too few, or tell nothing.
   */
  readonly verdict: "right" | "wrong" | "unsure";
  /** The way that is better than the assumed one. */
  readonly instead?: PreprocessingCandidate;
  /** All ways that were tried, best first. */
  readonly candidates: readonly PreprocessingCandidate[];
  /**
   * What counts as two pictures of one person: two faces of the set, or a face and what became of
   * it (mirrored, and smaller).
   */
  readonly same: "people" | "copies";
  readonly faces: number;
  readonly people: number;
  /** Whether these faces show if red or blue comes first. */
  readonly tellsChannels: boolean;
}

/** What the comparison needs. */
export interface PreprocessingRequest {
  readonly backbone: Backbone;
  readonly data: FaceData;
  /** Gives faces at the model's size. */
  readonly loader: Pick<Loader, "load">;
  readonly session: SessionOptions;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Ways of the field, as `--normalize` takes them. */
const normalisations: readonly (readonly [string, Pick<Preprocessing, "mean" | "scale">])[] = [
  ["127.5,1/127.5", uniform(127.5, 1 / 127.5)],
  ["0,1/255", uniform(0, 1 / 255)],
  ["0,1", uniform(0, 1)],
  ["127.5,1", uniform(127.5, 1)],
  [
    "123.675,116.28,103.53,1/58.395,1/57.12,1/57.375",
    { mean: [123.675, 116.28, 103.53], scale: [1 / 58.395, 1 / 57.12, 1 / 57.375] },
  ],
];

function uniform(mean: number, scale: number): Pick<Preprocessing, "mean" | "scale"> {
  return { mean: [mean, mean, mean], scale: [scale, scale, scale] };
}

/**
 * Most people, and most faces of each, that are compared: enough to tell a wrong order of channels,
 * in seconds for most models.
 */
const mostPeople = 48;
const mostFaces = 3;
/** Fewer people with two faces say too little; faces are then compared with their own copies. */
const leastPeople = 12;
/** Faces at a time. */
const batch = 8;
/** How sure "better" must be: the best of several is chosen, so more than the usual 95 %. */
const sure = 0.99;
/**
 * How many times as far apart another normalisation must bring people before it counts as the right
 * one. More contrast alone brings some models 6 % on easy photos; a wrong range costs most of the
 * distance. The order of channels changes nothing else and needs no such margin.
 */
const clearly = 1.25;

/**
 * Finds out whether faces are fed to a model as it was trained: the order of channels and the
 * normalisation under which it tells people apart best is the right one. Each candidate embeds the
 * same faces; what counts is d', the distance between the cosines of one person's pairs and those
 * of different people in units of their spread. Differences are resampled over people (200 times).
 * All normalisations are tried in one order of channels, then the other order. Where no person is
 * named, a face's copies (mirrored, at half the resolution) are the pairs of one person.
 *
 * @throws PetalfaceError if a face cannot be read
 */
export async function comparePreprocessing(request: PreprocessingRequest): Promise<PreprocessingFindings> {
  const { backbone, data, loader, session: options, signal, onProgress } = request;
  const { faces, people, same } = chooseFaces(data, backbone.size);
  const { input, output, size, width } = backbone;
  const session = await openSession(backbone.graph, options);
  const persons = faces.map(({ person }) => person);
  let done = 0;
  /** The separation under each of some ways, all on the same faces. */
  const tryAll = async (ways: readonly Way[], total: number): Promise<Tried[]> => {
    const rows = ways.map(() => new Float32Array(faces.length * width));
    for (let start = 0; start < faces.length; start += batch) {
      const part = faces.slice(start, start + batch);
      const broken = new Set<number>();
      const pixels = await loader.load(
        part.map(({ request: one }) => one),
        (at) => broken.add(at),
      );
      for (const [at, way] of ways.entries()) {
        signal?.throwIfAborted();
        const tensor = toInput(pixels, part.length, batch, size, { ...backbone.spec, ...way });
        const embeddings = floatsOf(await session.run({ [input]: tensor }), output);
        const own = rows[at]?.subarray(start * width, (start + part.length) * width);
        own?.set(embeddings.subarray(0, part.length * width));
        // What cannot be read is in no pair.
        for (const face of broken) own?.fill(Number.NaN, face * width, (face + 1) * width);
        done += part.length;
        onProgress?.(Math.min(done, total), total);
      }
    }
    return ways.map((way, at) => {
      const sums = separationsOf(itemAt(rows, at), width, persons);
      return { way, sums, ...separationOf(sums) };
    });
  };
  const tried: Tried[] = [];
  try {
    const first = waysOf(backbone);
    const total = faces.length * (first.length + 2);
    tried.push(...(await tryAll(first, total)));
    // The order of channels matters as much under each normalisation, so it is changed under the
    // best one and the assumed one only.
    const leading = new Set([bestOf(tried).way, itemAt(first, 0)]);
    const reordered = [...leading].map((way): Way => ({ ...way, channels: other(way.channels), assumed: false }));
    tried.push(...(await tryAll(reordered, total)));
  } finally {
    await session.close();
  }
  const resamples = drawResamples(people, 200);
  const drawn = new Map(
    tried.map((one) => [one, resamples.map((weights) => separationOf(one.sums, weights).distance)] as const),
  );
  const [own] = tried;
  /** Share of the resamples in which a way is better than the assumed one. */
  const better = (one: Tried): number => {
    const [its = [], assumed = []] = [drawn.get(one), own && drawn.get(own)];
    return its.filter((distance, at) => distance > itemAt(assumed, at)).length / resamples.length;
  };
  const candidates = tried
    .map((one): PreprocessingCandidate => {
      const { way, sums: _, ...separation } = one;
      return { ...way, ...separation, better: better(one) };
    })
    .sort((a, b) => b.distance - a.distance);
  const assumed = candidates.find((candidate) => candidate.assumed);
  const reordered = candidates.find(
    ({ normalize, channels }) => normalize === assumed?.normalize && channels !== assumed.channels,
  );
  // Two pictures of one person that are no nearer than those of two people: no recogniser of such
  // faces at all.
  const tells = (candidates[0]?.distance ?? 0) > 0.5 && people >= leastPeople;
  const instead = candidates.find(
    (one) => one.better >= sure && (one === reordered || one.distance > clearly * (assumed?.distance ?? 0)),
  );
  return {
    verdict: !tells ? "unsure" : instead ? "wrong" : "right",
    ...(tells && instead && { instead }),
    candidates,
    same,
    faces: faces.length,
    people,
    tellsChannels: tells && reordered !== undefined && (reordered.better >= sure || reordered.better <= 1 - sure),
  };
}

/** A way to feed faces to a model. */
interface Way extends Preprocessing {
  readonly normalize: string;
  readonly assumed: boolean;
}

/** A way, and what came of it. */
interface Tried extends Separation {
  readonly way: Way;
  readonly sums: PairSums;
}

const other = (channels: Preprocessing["channels"]): Preprocessing["channels"] => (channels === "rgb" ? "bgr" : "rgb");

const bestOf = (tried: readonly Tried[]): Tried =>
  tried.reduce((best, one) => (one.distance > best.distance ? one : best));

/**
 * The way that the model is fed in, and the other normalisations in the same order of channels.
 * Integers are fed as they are.
 */
function waysOf({ spec, form }: Backbone): Way[] {
  const { mean, scale, channels } = spec;
  const near = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length &&
    a.every((value, at) => Math.abs(value - itemAt(b, at)) <= 0.01 * Math.max(Math.abs(value), 1e-6));
  // (x - 127.5) / 127.5 and / 128 are one way.
  const isOwn = (way: Pick<Preprocessing, "mean" | "scale">): boolean => near(way.mean, mean) && near(way.scale, scale);
  const takesIntegers = form !== undefined && !form.input.dtype.startsWith("float");
  const others = takesIntegers ? [] : normalisations.filter(([, way]) => !isOwn(way));
  return [
    { mean, scale, channels, normalize: printNormalize(spec), assumed: true },
    ...others.map(([normalize, way]) => ({ ...way, channels, normalize, assumed: false })),
  ];
}

interface ChosenFaces {
  readonly faces: readonly { readonly person: number; readonly request: ImageRequest }[];
  readonly people: number;
  readonly same: PreprocessingFindings["same"];
}

/** Evenly spread people with two faces and more; else evenly spread faces with their copies. */
function chooseFaces(data: FaceData, size: number): ChosenFaces {
  const byPerson = new Map<number, number[]>();
  for (let at = 0; at < data.length; at++) {
    const { person } = data.at(at);
    if (person >= 0) byPerson.set(person, [...(byPerson.get(person) ?? []), at]);
  }
  const plain = (at: number): ImageRequest => ({ source: data.at(at).source, flip: false });
  const having = (least: number): number[][] => [...byPerson.values()].filter((own) => own.length >= least);
  const many = having(mostFaces);
  const several = spread(many.length >= mostPeople ? many : having(2), mostPeople);
  if (several.length >= leastPeople) {
    const faces = several.flatMap((own, person) =>
      spread(own, mostFaces).map((at) => ({ person, request: plain(at) })),
    );
    return { faces, people: several.length, same: "people" };
  }
  // One face of everybody who is named, or every face.
  const singles = byPerson.size >= leastPeople ? [...byPerson.values()].flatMap(([at]) => at ?? []) : undefined;
  const chosen = spread(singles ?? Array.from({ length: data.length }, (_, at) => at), mostPeople);
  const faces = chosen.flatMap((at, person) => {
    const request = plain(at);
    const smaller: ImageRequest = { ...request, degrade: { kind: "lr", pixels: Math.round(size / 2) } };
    return [request, { ...request, flip: true }, smaller].map((one) => ({ person, request: one }));
  });
  return { faces, people: chosen.length, same: "copies" };
}

/** At most `most` of a list, evenly spread over it. */
function spread<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, at) => itemAt(list, Math.floor((at * list.length) / most)));
}

/** How often each person is drawn, with replacement, in each of `count` resamples. */
function drawResamples(people: number, count: number): Float64Array[] {
  const stream = random("preprocessing", 1);
  return Array.from({ length: count }, () => {
    const weights = new Float64Array(people);
    for (let draw = 0; draw < people; draw++) {
      const person = Math.floor(people * stream.uniform());
      weights[person] = itemAt(weights, person) + 1;
    }
    return weights;
  });
}
