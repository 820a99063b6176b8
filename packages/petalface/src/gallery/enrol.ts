import { entryOf, itemAt } from "onnx-grad";
import type { FaceData, Sample } from "../data/index.ts";
import { onDisk } from "../disk-names.ts";
import { faceKey } from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import { readGivenFile } from "../files.ts";
import { type ImageStore, imageSides, type Loader, openImageStore } from "../images/index.ts";
import { addScaled, normaliseRows } from "../matching/index.ts";
import type { Candidate } from "./candidate.ts";
import { type Describer, describeFaces, type FaceDescription } from "./describe.ts";
import {
  addNew,
  type Enrolled,
  type EnrollingStore,
  type KnownPerson,
  nearestOthers,
  type PicturePlace,
  readKnown,
  renewEnrolled,
} from "./enrolled.ts";
import {
  addEvidence,
  cosineWith,
  type GateLevels,
  type GateReason,
  type GateRules,
  gateLevels,
  nearCopy,
} from "./gate.ts";
import { findSeveralPeople } from "./several-people.ts";
import type { NewFace } from "./types.ts";

/** A face that was not enrolled, or only because it was forced. */
export interface Refusal {
  /** As the set calls it. */
  readonly id: string;
  readonly person: string;
  readonly reason: GateReason;
  /** The other person, where it looks like one, and the cosine that says so. */
  readonly like?: string | undefined;
  readonly cosine?: number | undefined;
  /**
   * Of several faces that show somebody else: a picture of the other person, as the set calls it.
   */
  readonly unlike?: string | undefined;
  /** Of a near copy: the picture that it is a copy of. */
  readonly copyOf?: PicturePlace | undefined;
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
  readonly store: EnrollingStore;
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
  /**
   * What `openEnrolled` gave for the store, where it has not changed since; it is kept up to date.
   */
  readonly enrolled: Enrolled;
  /**
   * Until when the faces may be kept, ISO 8601 in UTC; without a date they stay until they are
   * removed.
   */
  readonly keepUntil?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLeft: (sample: Sample, reason: string) => void;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Faces that are looked at together, in whole people: so many and the rest of the last person. */
const window = 128;

/**
 * Enrols the faces of a set, some people at a time, whose faces are written as one change, so that
 * a killed run continues where it was. What its person has already is not embedded again. Memory
 * does not grow with the gallery, but for the 8-bit codes that search in it needs.
 *
 * @throws PetalfaceError where a face has no name, or the gallery cannot be written
 */
export async function enrolPeople(data: FaceData, options: EnrolOptions): Promise<Enrolment> {
  const { store, signal, onProgress } = options;
  const images = openImageStore();
  const found = { added: 0, people: 0, known: 0, refused: [] as Refusal[], compared: true };
  let done = 0;
  const state = options.enrolled;
  try {
    for (const people of windows(data, options)) {
      signal?.throwIfAborted();
      const known = await readKnown(
        store,
        state,
        people.map(({ name }) => name),
      );
      const incoming: Incoming[] = [];
      for (const { name, samples } of people)
        for (const sample of samples) {
          const key = await faceKey({ source: sample.source, flip: false }, images).catch(() => new Uint32Array(4));
          const source = new Uint8Array(key.buffer);
          const person = entryOf(known, name);
          if (person.sources.has(Buffer.from(source).toString("hex"))) found.known++;
          else incoming.push({ person, sample, source });
        }
      const described = await describeAll(incoming, options);
      const levels = look(described, state);
      found.compared &&= levels !== undefined;
      const near = levels === undefined ? [] : await nearestOthers(state, described);
      const faces = new Map<KnownPerson, NewFace[]>();
      const doubts = levels === undefined ? new Map<Described, Refusal>() : doubtsOf(described, levels);
      for (const [at, one] of described.entries()) {
        const judged = await judge(one, near[at], store, state, levels, options.rules, images);
        const doubt = doubts.get(one);
        // A doubt says more than that a face is far from the mean of both people.
        const isLess = judged === undefined || judged.reason === "not like the person's other faces";
        const refusal = isLess && doubt !== undefined ? doubt : judged;
        if (refusal !== undefined) found.refused.push(refusal);
        const { person, source, description, sample } = one;
        if (refusal !== undefined && !options.force) {
          addNew(person, one.unit, -1);
          continue;
        }
        person.pictures.push({ hash: description.picture, place: { picture: sample.id } });
        const crop = store.settings.keepCrops ? await bytesOf(sample, images) : undefined;
        const some = faces.get(person) ?? [];
        faces.set(person, some);
        some.push({ ...description, source, crop, keepUntil: options.keepUntil });
      }
      const added = await store.addAll([...faces].map(([{ name }, some]) => ({ person: name, faces: some })));
      [...faces.keys()].forEach(({ id }, at) => {
        found.added += itemAt(added, at);
        if (id === undefined && itemAt(added, at) > 0) found.people++;
      });
      await renewEnrolled(state);
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
  readonly person: KnownPerson;
  readonly sample: Sample;
  readonly source: Uint8Array;
}

interface Described extends Incoming {
  readonly description: FaceDescription;
  readonly unit: Float32Array;
}

async function describeAll(incoming: readonly Incoming[], options: EnrolOptions): Promise<Described[]> {
  const { describer, loader, store, signal, onLeft } = options;
  const requests = incoming.map(({ sample: { source, quality } }) => ({ source, flip: false, quality }));
  const out: Described[] = [];
  const parts = describeFaces(requests, {
    describer,
    loader,
    copies: store.settings.copies,
    signal,
    onLeft: (index, reason) => onLeft(itemAt(incoming, index).sample, reason),
  });
  for await (const { start, faces } of parts)
    faces.forEach((description, at) => {
      if (description === undefined) return;
      const unit = normaliseRows(description.vector, description.vector.length);
      out.push({ ...itemAt(incoming, start + at), description, unit });
    });
  return out;
}

/** Counts faces to their people, then compares them with others; where the lines are afterwards. */
function look(faces: readonly Described[], state: Enrolled): GateLevels | undefined {
  for (const { person, unit } of faces) addNew(person, unit, 1);
  const others = [...state.drawn.values()];
  faces.forEach(({ person, unit }, at) => {
    addEvidence(state.evidence, unit, person, others, state.evidence.strangers.length + at);
  });
  return gateLevels(state.evidence);
}

/** Faces of which several together show somebody else than their name says. */
function doubtsOf(described: readonly Described[], levels: GateLevels): Map<Described, Refusal> {
  const out = new Map<Described, Refusal>();
  for (const [person, own] of Map.groupBy(described, (one) => one.person)) {
    // They are counted to their person already.
    const sum = Float32Array.from(person.sum);
    for (const { unit } of own) addScaled(sum, unit, -1);
    const units = own.map(({ unit }) => unit);
    for (const [face, doubt] of findSeveralPeople(units, { sum, faces: person.faces - own.length }, levels.own)) {
      const { reason, cosine, unlike } = doubt;
      const one = itemAt(own, face);
      const other = unlike === undefined ? undefined : itemAt(own, unlike).sample.id;
      out.set(one, { id: one.sample.id, person: person.name, reason, cosine, unlike: other });
    }
  }
  return out;
}

async function judge(
  { person, sample, description, unit }: Described,
  near: readonly Candidate[] | undefined,
  store: EnrollingStore,
  { changed }: Enrolled,
  levels: GateLevels | undefined,
  rules: GateRules,
  images: ImageStore,
): Promise<Refusal | undefined> {
  const refuse = (reason: GateReason, more: Pick<Refusal, "like" | "cosine" | "copyOf"> = {}): Refusal => ({
    id: sample.id,
    person: person.name,
    reason,
    ...more,
  });
  const bytes = await bytesOf(sample, images);
  const sides = bytes && (await imageSides(bytes, sample.id));
  if (sides !== undefined && Math.min(sides.width, sides.height) < rules.side) return refuse("too small");
  if (description.alpha < rules.alpha) return refuse("blurred");
  const copy = nearCopy(description.picture, person.pictures);
  if (copy !== undefined) return refuse("near copy", { copyOf: copy.place });
  if (levels === undefined) return undefined;
  const own = person.faces < 2 ? Number.NaN : cosineWith(unit, person.sum, 1);
  let like: { name: string; cosine: number } | undefined;
  for (const other of changed.values()) {
    if (other === person || other.faces < 1) continue;
    const cosine = cosineWith(unit, other.sum);
    if (cosine >= levels.other && cosine > (like?.cosine ?? -1)) like = { name: other.name, cosine };
  }
  const [first] = near ?? [];
  if (first !== undefined && first.cosine >= levels.other && first.cosine > (like?.cosine ?? -1))
    like = { name: (await store.names([first.person])).get(first.person) ?? "", cosine: first.cosine };
  if (like !== undefined && !(own >= like.cosine))
    return refuse("like somebody else", { like: like.name, cosine: like.cosine });
  return own < levels.own ? refuse("not like the person's other faces", { cosine: own }) : undefined;
}

/** The picture's file; undefined where it is drawn. */
async function bytesOf({ source }: Sample, images: ImageStore): Promise<Uint8Array | undefined> {
  if (source.kind === "synthetic") return undefined;
  if (source.kind === "memory") return source.bytes;
  return source.kind === "file" ? await readGivenFile(onDisk(source.path)) : images.read(source);
}
