import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { itemAt } from "onnx-grad";
import { type FaceData, manifestExtensions } from "../../data/index.ts";
import { PetalfaceError, readCode } from "../../errors.ts";
import type { FaceRecord, FailureRecord } from "../../faces/index.ts";
import { printPath } from "../../images/index.ts";
import { makeTemporary } from "../../temporary.ts";
import { alignDefaults, alignInto, inputOfData } from "../align/align.ts";
import { judgeSet } from "../align/aligned.ts";
import type { alignedChoices } from "../align/aligned-choices.ts";
import { type LeftOutOptions, openFaces } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";

/** Faces that were named on the command line, aligned. */
export interface GivenFaces extends Disposable {
  readonly data: FaceData;
  /** Of photos without an aligned face: their number, and why. */
  readonly lost: ReadonlyMap<number, "no face was found" | "it cannot be read">;
}

/** How {@link openGiven} reads faces. */
export interface GivenOptions extends LeftOutOptions {
  readonly aligned: (typeof alignedChoices)[number];
  /** Side of an aligned face in pixels. */
  readonly size: number;
  readonly threads: number;
  /** Whether a photo that is not there is reported with the others; else it stops all. */
  readonly reportsMissing?: boolean | undefined;
}

/**
 * Opens photos, folders, manifests and sets as one set, and aligns it where it holds photos that
 * are not.
 */
export async function openGiven(
  specs: readonly string[],
  options: GivenOptions,
  context: Surroundings,
): Promise<GivenFaces> {
  const parts: FaceData[] = [];
  for (const spec of specs) {
    if (await isSet(spec)) parts.push(await openFaces(spec, options, context));
    else {
      if (options.reportsMissing !== true) await refuseMissing(spec);
      parts.push(photo(spec));
    }
  }
  const data = parts.length === 1 ? itemAt(parts, 0) : joined(specs, parts);
  const { aligned } = options;
  const photos = data.length > 0 && data.at(0).source.kind === "file";
  if (!photos || aligned === "yes" || (aligned === "auto" && (await judgeSet(data)).aligned))
    return { data, lost: new Map(), [Symbol.dispose]: () => {} };
  return await alignGiven(data, options, context);
}

/** Whether a spec names a set of faces rather than one photo. */
const isSet = async (spec: string): Promise<boolean> =>
  /^synthetic(:|$)/.test(spec) ||
  manifestExtensions.has(extname(spec).toLowerCase()) ||
  [".rec", ".bin"].includes(extname(spec).toLowerCase()) ||
  (await stat(spec).then(
    (entry) => entry.isDirectory(),
    () => false,
  ));

/** Throws PetalfaceError where there is no such file. */
async function refuseMissing(path: string): Promise<void> {
  await stat(path).catch((cause: unknown) => {
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `${printPath(path)}: no such file or folder; give photos, a folder of one folder a person, or a manifest`,
      { cause },
    );
  });
}

const photo = (path: string): FaceData => ({
  spec: path,
  length: 1,
  people: [],
  fingerprint: path,
  at: () => ({ id: path, person: -1, source: { kind: "file", path } }),
});

/** Sets behind each other; people of one name are one. */
function joined(specs: readonly string[], parts: readonly FaceData[]): FaceData {
  const people = [...new Set(parts.flatMap((part) => part.people))];
  const places = new Map(people.map((name, place) => [name, place]));
  const starts = parts.map((_, at) => parts.slice(0, at).reduce((sum, { length }) => sum + length, 0));
  return {
    spec: specs.join(" "),
    length: parts.reduce((sum, { length }) => sum + length, 0),
    people,
    fingerprint: parts.map(({ fingerprint }) => fingerprint).join(" "),
    mostLeftOut: parts[0]?.mostLeftOut,
    at(index) {
      const part = starts.findLastIndex((start, at) => start <= index && itemAt(parts, at).length > 0);
      const data = itemAt(parts, part);
      const sample = data.at(index - itemAt(starts, part));
      const name = data.people[sample.person];
      return {
        ...sample,
        id: data.spec === sample.id ? sample.id : join(data.spec, sample.id),
        person: name === undefined ? -1 : (places.get(name) ?? -1),
      };
    },
  };
}

/** Aligns photos into a folder that goes with the process. */
async function alignGiven(data: FaceData, options: GivenOptions, context: Surroundings): Promise<GivenFaces> {
  const temporary = await makeTemporary();
  try {
    const out = join(temporary.path, "aligned");
    const choices = { ...alignDefaults, size: options.size, threads: options.threads };
    const { manifest } = await alignInto(inputOfData(data), out, choices, context);
    const crops = new Map<string, FaceRecord>();
    const text = await readFile(manifest, "utf8").catch(() => "");
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const record = JSON.parse(line) as FaceRecord | FailureRecord;
      if (!("error" in record)) crops.set(record.source, record);
    }
    const lost = new Map<number, "no face was found" | "it cannot be read">();
    for (let at = 0; at < data.length; at++) {
      const crop = crops.get(data.at(at).id);
      if (crop?.aligned !== true) lost.set(at, crop === undefined ? "it cannot be read" : "no face was found");
    }
    return {
      lost,
      data: {
        ...data,
        at(index) {
          const sample = data.at(index);
          const crop = crops.get(sample.id);
          return crop === undefined ? sample : { ...sample, source: { kind: "file", path: join(out, crop.path) } };
        },
      },
      [Symbol.dispose]: () => temporary.remove(),
    };
  } catch (error) {
    temporary.remove();
    throw error;
  }
}
