import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { isTuple, type PickleValue, unpickle } from "../checkpoints/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type ImageSource, printPath } from "../images/index.ts";
import { refusePlaceholder } from "../placeholder.ts";
import type { FaceData } from "./types.ts";
import { readWhole } from "./whole.ts";

/** A verification list: images two by two, and whether each pair shows one person. */
export interface VerificationList {
  readonly path: string;
  /** Where each image lies in the file; pair `i` is images `2 i` and `2 i + 1`. */
  readonly images: readonly ImageSource[];
  /** 1 where a pair shows one person. */
  readonly same: Uint8Array;
  /** First image with the same bytes, itself for the most. */
  readonly original: Int32Array;
  /** SHA-256 over images and flags, hex. */
  readonly fingerprint: string;
}

/** A list of 12,000 images has 100 MB; the file is in memory while it is read. */
const largest = 2 ** 31 - 1;

/**
 * Reads insightface's verification list (`lfw.bin`, `cfp_fp.bin`, ...): a pickle of a list of
 * encoded images (byte strings of Python 3 or 2, or NumPy arrays of bytes) and of a list of flags,
 * one for two images. The pickle is read by the interpreter that only knows data; nothing is run.
 * What is kept of an image is its place in the file.
 *
 * @throws PetalfaceError where the file is something else
 */
export async function readVerification(spec: string): Promise<VerificationList> {
  const path = resolve(spec);
  const name = printPath(spec);
  const bytes = await readWhole(path, name, [largest, "a verification list"]);
  const wrong = (what: string): PetalfaceError =>
    new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${name}: ${what}; expected a pickled list of images and a list of flags, as in lfw.bin`,
    );
  refusePlaceholder(bytes, name);
  if (bytes[0] !== 0x80) throw wrong("it is not a pickle of protocol 2 or later");
  const { value } = unpickle(bytes, { name, python2: "bytes" });
  if (!Array.isArray(value) || value.length !== 2) throw wrong("it does not hold two lists");
  const [items, flags] = value as readonly PickleValue[] as readonly [PickleValue, PickleValue];
  const same = flagsOf(flags);
  if (same === undefined) throw wrong("the flags are not a list of true and false");
  if (!Array.isArray(items) || items.length !== 2 * same.length || same.length === 0)
    throw wrong(`there are ${Array.isArray(items) ? items.length : "no"} images and ${same.length} flags`);
  const locate = createLocator(bytes);
  const digests = new Map<string, number>();
  const original = new Int32Array(items.length);
  const hash = createHash("sha256");
  const images = items.map((item: PickleValue, number: number): ImageSource => {
    const content = contentOf(item);
    if (content === undefined) throw wrong(`image ${number} is not a byte string`);
    const place = locate(content);
    if (place === undefined)
      throw wrong(`image ${number} is written with escapes (protocol 0 or 1 of Python 2); write it with protocol 2`);
    const digest = createHash("sha256").update(content).digest("hex");
    if (!digests.has(digest)) digests.set(digest, number);
    original[number] = entryOf(digests, digest);
    hash.update(digest);
    return { kind: "bytes", path, number, ...place };
  });
  return { path, images, same, original, fingerprint: hash.update(same).digest("hex") };
}

/** Whether a file begins as a pickled list does, which checkpoints, also called `.bin`, do not. */
export async function isVerification(path: string): Promise<boolean> {
  try {
    await using file = await open(path);
    const head = Buffer.alloc(16);
    await file.read(head, 0, 16, 0);
    const [protocol, frame, list, mark] = [0x80, 0x95, 0x5d, 0x28];
    const start = head[2] === frame ? 11 : 2;
    return head[0] === protocol && (head[start] === list || (head[start] === mark && head[start + 1] === list));
  } catch {
    return false;
  }
}

/** A verification list as a set of faces of unknown people. */
export async function openVerification(spec: string): Promise<FaceData> {
  const { images, fingerprint } = await readVerification(spec);
  return {
    spec,
    length: images.length,
    people: [],
    fingerprint,
    at(at) {
      const source = images[at];
      if (source === undefined) throw new RangeError(`sample ${at} of ${images.length}`);
      return { id: String(at), person: -1, source };
    },
  };
}

const numbersOfFlags: ReadonlySet<unknown> = new Set([true, false, 0, 1]);

function flagsOf(value: PickleValue): Uint8Array | undefined {
  if (Array.isArray(value) || isTuple(value)) {
    const flags = value as readonly PickleValue[];
    return flags.every((flag) => numbersOfFlags.has(flag)) ? Uint8Array.from(flags, Number) : undefined;
  }
  if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "array") return undefined;
  const { data, shape, type } = value;
  if (shape.length !== 1 || !/^[biu]/.test(type.code)) return undefined;
  const width = Number(type.code.slice(1));
  const flags = new Uint8Array(itemAt(shape, 0));
  for (let at = 0; at < flags.length; at++) {
    const element = data.subarray(at * width, (at + 1) * width);
    const sum = element.reduce((total, byte) => total + byte, 0);
    const low = element[type.bigEndian ? width - 1 : 0];
    if (low === undefined || sum !== low || low > 1) return undefined;
    flags[at] = low;
  }
  return flags;
}

function contentOf(item: PickleValue): Uint8Array | undefined {
  if (item instanceof Uint8Array) return item;
  if (typeof item !== "object" || item === null || !("kind" in item) || item.kind !== "array") return undefined;
  return /^[ui]1$/.test(item.type.code) ? item.data : undefined;
}

interface PlaceInFile {
  readonly offset: number;
  readonly length: number;
  readonly encoding?: "utf8";
}

/**
 * Finds byte strings of a pickle in its file. Most share memory with it. Those that Python 3 wrote
 * as text (protocol 2) were decoded: they are found again behind the one before, as the text that
 * they were.
 */
function createLocator(file: Buffer): (content: Uint8Array) => PlaceInFile | undefined {
  const known = new Map<Uint8Array, PlaceInFile>();
  let from = 0;
  return (content) => {
    const before = known.get(content);
    if (before !== undefined) return before;
    const shared = content.buffer === file.buffer;
    const text = shared ? undefined : Buffer.from(Buffer.from(content).toString("latin1"), "utf8");
    const offset = text === undefined ? content.byteOffset - file.byteOffset : file.indexOf(text, from);
    if (offset < 0) return undefined;
    if (text !== undefined) from = offset + text.length;
    const place =
      text === undefined
        ? { offset, length: content.length }
        : { offset, length: text.length, encoding: "utf8" as const };
    known.set(content, place);
    return place;
  };
}
