import { readFile } from "node:fs/promises";
import type { FaceData, Sample } from "../data/index.ts";
import { faceKey } from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type ImageStore, imageSides, type Loader, openImageStore } from "../images/index.ts";
import { addScaled, normaliseRows } from "../matching/index.ts";
import { type Describer, describeFaces, type FaceDescription } from "./describe.ts";
import {
  addEvidence,
  cosineWith,
  type GateEvidence,
  type GateLevels,
  type GateReason,
  type GateRules,
  gateLevels,
  isNearCopy,
  type PersonSum,
} from "./gate.ts";
import type { GalleryStore, NewFace } from "./types.ts";

/** A face that was not enrolled, or only because it was forced. */
export interface Refusal {
  /** As the set calls it. */
  readonly id: string;
  readonly person: string;
  readonly reason: GateReason;
  /** The other person, where it looks like one, and the cosine that says so. */
  readonly like?: string | undefined;
  readonly cosine?: number | undefined;
}

/** What {@link enrolPeople} did. */
export interface Enrolment {
  readonly added: number;
  /** People who were new. */
  readonly people: number;
  /** Pictures that their person had already. */
  readonly known: number;
  readonly refused: readonly Refusal[];
  /** False where too few people are enrolled to compare them. */
  readonly compared: boolean;
}

/** What enrolling takes. */
export interface EnrolOptions {
  readonly store: GalleryStore;
  readonly describer: Describer;
  /** At the model's size. */
  readonly loader: Pick<Loader, "load">;
  readonly rules: GateRules;
  /** Enrol also what the gate would refuse; it is reported all the same. */
  readonly force: boolean;
  /** Numbers of faces that take no part. */
  readonly without?: ReadonlySet<number> | undefined;
  /** Name of everybody in the set; each face's own person unless given. */
  readonly person?: string | undefined;
  /** What {@link readEnrolled} gave for the store, where it has not changed since; it is kept up to date. */
  readonly enrolled?: Enrolled | undefined;
  /** Until when the faces may be kept, ISO 8601 in UTC; without a date they stay until they are removed. */
  readonly keepUntil?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLeft: (sample: Sample, reason: string) => void;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Faces that are looked at together, in whole people: so many and the rest of the last person. */
const window = 128;

/**
 * Enrols the faces of a set, person by person; each person's faces are written as one, so that a killed run continues where it was. What its
 * person has already is not embedded again.
 *
 * @throws PetalfaceError where a face has no name, or the gallery cannot be written
 */
export async function enrolPeople(data: FaceData, options: EnrolOptions): Promise<Enrolment> {
  const { store, signal, onProgress } = options;
  const state = options.enrolled ?? (await readEnrolled(store));
  const images = openImageStore();
  const found = { added: 0, people: 0, known: 0, refused: [] as Refusal[], compared: true };
  let done = 0;
  try {
    for (const people of windows(data, options)) {
      signal?.throwIfAborted();
      const incoming: Incoming[] = [];
      for (const { name, samples } of people)
        for (const sample of samples) {
          const key = await faceKey({ source: sample.source, flip: false }, images).catch(() => new Uint32Array(4));
          const source = new Uint8Array(key.buffer);
          if (state.sources.has(sourceKey(name, source))) found.known++;
          else incoming.push({ name, sample, source });
        }
      const described = await describeAll(incoming, options);
      const levels = look(described, state);
      found.compared &&= levels !== undefined;
      const faces = new Map<string, NewFace[]>();
      for (const one of described) {
        const refusal = await judge(one, state, levels, options.rules, images);
        if (refusal !== undefined) found.refused.push(refusal);
        if (refusal !== undefined && !options.force) {
          forget(one, state);
          continue;
        }
        remember(one, state);
        const crop = store.settings.keepCrops ? await bytesOf(one.sample, images) : undefined;
        const { source, description } = one;
        faces.set(one.name, [
          ...(faces.get(one.name) ?? []),
          { ...description, source, crop, keepUntil: options.keepUntil },
        ]);
      }
      for (const [name, some] of faces) {
        found.added += await store.add(name, some);
        if (!state.enrolled.has(name)) found.people++;
        state.enrolled.add(name);
      }
      done += people.reduce((sum, { samples }) => sum + samples.length, 0);
      onProgress?.(done);
    }
  } finally {
    images.close();
  }
  return found;
}

interface Group {
  readonly name: string;
  readonly samples: Sample[];
}

/** People with their faces, some at a time. */
function* windows(data: FaceData, { person, without }: EnrolOptions): Generator<Group[]> {
  const groups = new Map<string, number[]>();
  for (let at = 0; at < data.length; at++) {
    if (without?.has(at)) continue;
    const sample = data.at(at);
    const name = person ?? data.people[sample.person];
    if (name === undefined)
      throw new PetalfaceError(
        "PETAL_PERSON_UNKNOWN",
        `${sample.id}: no name is known; give a folder for each person, a manifest with a column person, or 'person=NAME'`,
      );
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [at]);
    else group.push(at);
  }
  let some: Group[] = [];
  let count = 0;
  for (const [name, faces] of groups) {
    some.push({ name, samples: faces.map((at) => data.at(at)) });
    count += faces.length;
    if (count < window) continue;
    yield some;
    [some, count] = [[], 0];
  }
  if (some.length > 0) yield some;
}

interface Incoming {
  readonly name: string;
  readonly sample: Sample;
  readonly source: Uint8Array;
}

interface Described extends Incoming {
  readonly description: FaceDescription;
  readonly unit: Float32Array;
}

/**
 * What is known of a gallery's people while faces are enrolled. Who enrols often reads it once and
 * gives it to each call; after a call that failed it is to be read again.
 */
export interface Enrolled {
  /** Names of enrolled people. */
  readonly enrolled: Set<string>;
  readonly sources: Set<string>;
  readonly sums: Map<string, PersonSum>;
  readonly pictures: Map<string, Uint8Array[]>;
  readonly evidence: GateEvidence;
}

/** Enrolled faces, evenly chosen, whose cosines say how near people are to themselves and to others. */
const mostEvidence = 1000;

const sourceKey = (name: string, source: Uint8Array): string => `${Buffer.from(source).toString("hex")} ${name}`;

/** Reads all faces of a gallery as {@link enrolPeople} needs them. */
export async function readEnrolled(store: GalleryStore): Promise<Enrolled> {
  const people = new Map((await store.people()).map(({ id, name }) => [id, name]));
  const state: Enrolled = {
    enrolled: new Set(people.values()),
    sources: new Set(),
    sums: new Map(),
    pictures: new Map(),
    evidence: { own: [], strangers: [] },
  };
  const faces = await store.faces();
  for (const { person, source, picture } of faces) {
    const name = people.get(person) ?? "";
    state.sources.add(sourceKey(name, source));
    state.pictures.set(name, [...(state.pictures.get(name) ?? []), picture]);
  }
  const { width, people: owners, vectors } = await store.vectors();
  const units = normaliseRows(vectors, width);
  const unitOf = (face: number): Float32Array => units.subarray(face * width, (face + 1) * width);
  owners.forEach((person, face) => {
    addTo(state, people.get(person) ?? "", unitOf(face), 1);
  });
  // Without these, a single new face would have nothing that its cosines could be judged by.
  const others = [...state.sums.values()];
  const count = Math.min(mostEvidence, owners.length);
  for (let at = 0; at < count; at++) {
    const face = Math.floor((at * owners.length) / count);
    const person = state.sums.get(people.get(owners[face] ?? -1) ?? "");
    if (person !== undefined) addEvidence(state.evidence, unitOf(face), person, others, face);
  }
  return state;
}

function addTo({ sums }: Enrolled, name: string, unit: Float32Array, sign: 1 | -1): PersonSum {
  const person = sums.get(name) ?? { sum: new Float32Array(unit.length), faces: 0 };
  sums.set(name, person);
  person.faces += sign;
  addScaled(person.sum, unit, sign);
  return person;
}

async function describeAll(incoming: readonly Incoming[], options: EnrolOptions): Promise<Described[]> {
  const { describer, loader, store, signal, onLeft } = options;
  const requests = incoming.map(({ sample: { source, quality } }) => ({ source, flip: false, quality }));
  const out: Described[] = [];
  const parts = describeFaces(requests, {
    ...{ describer, loader, copies: store.settings.copies, signal },
    onLeft: (index, reason) => onLeft((incoming[index] as Incoming).sample, reason),
  });
  for await (const { start, faces } of parts)
    faces.forEach((description, at) => {
      if (description === undefined) return;
      const unit = normaliseRows(description.vector, description.vector.length);
      out.push({ ...(incoming[start + at] as Incoming), description, unit });
    });
  return out;
}

/** Counts faces to their people, then compares them with others; where the lines are afterwards. */
function look(faces: readonly Described[], state: Enrolled): GateLevels | undefined {
  for (const { name, unit } of faces) addTo(state, name, unit, 1);
  const others = [...state.sums.values()];
  faces.forEach(({ name, unit }, at) => {
    const person = state.sums.get(name);
    if (person !== undefined) addEvidence(state.evidence, unit, person, others, state.evidence.strangers.length + at);
  });
  return gateLevels(state.evidence);
}

/** Takes a face out of its person's sum again. */
const forget = ({ name, unit }: Described, state: Enrolled): void => {
  addTo(state, name, unit, -1);
};

function remember({ name, source, description }: Described, state: Enrolled): void {
  state.sources.add(sourceKey(name, source));
  state.pictures.set(name, [...(state.pictures.get(name) ?? []), description.picture]);
}

async function judge(
  { name, sample, description, unit }: Described,
  { sums, pictures }: Enrolled,
  levels: GateLevels | undefined,
  rules: GateRules,
  images: ImageStore,
): Promise<Refusal | undefined> {
  const refuse = (reason: GateReason, more: Pick<Refusal, "like" | "cosine"> = {}): Refusal => ({
    id: sample.id,
    person: name,
    reason,
    ...more,
  });
  const bytes = await bytesOf(sample, images);
  const sides = bytes && (await imageSides(bytes, sample.id));
  if (sides !== undefined && Math.min(sides.width, sides.height) < rules.side) return refuse("too small");
  if (description.alpha < rules.alpha) return refuse("blurred");
  if (isNearCopy(description.picture, pictures.get(name) ?? [])) return refuse("near copy");
  if (levels === undefined) return undefined;
  const person = sums.get(name);
  const own = person === undefined || person.faces < 2 ? Number.NaN : cosineWith(unit, person.sum, 1);
  let like: { name: string; cosine: number } | undefined;
  for (const [other, { sum, faces }] of sums) {
    if (other === name || faces < 1) continue;
    const cosine = cosineWith(unit, sum);
    if (cosine >= levels.other && cosine > (like?.cosine ?? -1)) like = { name: other, cosine };
  }
  if (like !== undefined && !(own >= like.cosine))
    return refuse("like somebody else", { like: like.name, cosine: like.cosine });
  return own < levels.own ? refuse("not like the person's other faces", { cosine: own }) : undefined;
}

/** The picture's file; undefined where it is drawn. */
async function bytesOf({ source }: Sample, images: ImageStore): Promise<Uint8Array | undefined> {
  if (source.kind === "synthetic") return undefined;
  if (source.kind === "memory") return source.bytes;
  return source.kind === "file" ? await readFile(source.path) : images.read(source);
}
