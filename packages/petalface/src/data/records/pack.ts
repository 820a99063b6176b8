import { stat } from "node:fs/promises";
import { itemAt } from "onnx-grad";
import { onDisk, plainName } from "../../disk-names.ts";
import { PetalfaceError, systemCode } from "../../errors.ts";
import { readGivenFile, writePiecesSafely } from "../../files.ts";
import {
  endingOf,
  type ImageSource,
  nameOf,
  openImageStore,
  prefetch,
  printPath,
  type StoredSource,
} from "../../images/index.ts";
import type { FaceData, Sample } from "../types.ts";
import { tallyOf, type Unreadable } from "../unreadable.ts";
import { encodeRecord } from "./write.ts";

/** How a set is packed. */
export interface PackOptions {
  /**
   * Encodes a face as PNG that is not a JPEG or PNG: drawn ones, and formats that OpenCV may not
   * read.
   */
  readonly encode: (source: ImageSource) => Promise<Uint8Array>;
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether files that are there already are replaced. */
  readonly replace?: boolean;
}

/** What was packed. */
export interface Packed {
  /** The three files. */
  readonly files: readonly string[];
  readonly images: number;
  readonly people: number;
  readonly bytes: number;
  readonly unreadable: Unreadable;
}

/** Faces that are read ahead. */
const ahead = 16;
/** Pieces of the text files. */
const linesAtOnce = 4096;
/** Labels are float32, which counts to here. */
const mostRecords = 2 ** 24;

/**
 * Writes a set as MXNet's RecordIO in insightface's layout: `X.rec` (images, by person; then a
 * record for each person with the keys of their first image and of the one past the last; then
 * record 0 with the range of those), `X.idx` (key and position of each) and `X.lst` (1, id, label).
 * JPEG and PNG files go in as they are. Faces that cannot be read are left out and counted. The
 * `.rec` takes its name last, so that one that is there is whole.
 *
 * @param out path of the `.rec`
 * @throws PetalfaceError where a file is there already, people are unknown, or more than 5 % of the
 * faces cannot be read
 */
export async function packRecords(data: FaceData, out: string, options: PackOptions): Promise<Packed> {
  const [rec, idx, lst] = packedFiles(out);
  for (const path of options.replace === true ? [] : [rec, idx, lst])
    if (await stat(path).catch(() => undefined))
      throw new PetalfaceError(
        "PETAL_OUTPUT_EXISTS",
        `${printPath(path)} is there already; remove it, or choose another name`,
      );
  const order = byPerson(data);
  if (data.length + data.people.length >= mostRecords)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(data.spec)} has ${data.length} faces of ${data.people.length} people; a record file's labels count to ${mostRecords}`,
    );
  const writer = createWriter(data, order, options);
  async function* content(): AsyncGenerator<Uint8Array> {
    yield* writer.records();
    await writePiecesSafely(idx, writer.idx());
    await writePiecesSafely(lst, writer.lst());
  }
  await writePiecesSafely(rec, content());
  return { files: [rec, idx, lst], ...writer.report() };
}

/**
 * The three files of a record file's path: `.rec`, `.idx` and `.lst`. Throws PetalfaceError where
 * it does not end in .rec.
 */
export function packedFiles(out: string): readonly [rec: string, idx: string, lst: string] {
  if (!/\.rec$/i.test(out))
    throw new PetalfaceError("PETAL_OPTION_INVALID", `${printPath(out)} does not end in .rec; name the record file`);
  return [out, out.replace(/\.rec$/i, ".idx"), out.replace(/\.rec$/i, ".lst")];
}

function createWriter(data: FaceData, order: Uint32Array, { encode, onProgress, signal }: PackOptions) {
  const positions = new Float64Array(1 + data.length + data.people.length);
  const packed = new Uint32Array(data.length);
  const tally = tallyOf(data);
  let [bytes, images] = [0, 0];
  const place = (key: number, record: Uint8Array): Uint8Array => {
    positions[key] = bytes;
    bytes += record.length;
    return record;
  };

  async function* records(): AsyncGenerator<Uint8Array> {
    const first = new Uint32Array(data.people.length + 1);
    const store = openImageStore();
    try {
      let done = 0;
      for await (const { face, sample, image } of prefetch(read(store), ahead)) {
        signal?.throwIfAborted();
        tally.tried(1);
        onProgress?.(++done);
        if (typeof image === "string") {
          tally.bad(image);
          continue;
        }
        packed[images++] = face;
        first[sample.person + 1] = images;
        yield place(images, encodeRecord({ label: sample.person, id: images }, image));
      }
    } finally {
      store.close();
    }
    if (images === 0)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(data.spec)} holds no face that can be read`);
    // `first[p + 1]` is the last image of person p, or 0 where none could be read.
    for (let person = 0, last = 0; person < data.people.length; person++) {
      const start = last + 1;
      last = Math.max(last, itemAt(first, person + 1));
      const key = images + 1 + person;
      yield place(key, encodeRecord({ label: [start, last + 1], id: key }, new Uint8Array()));
    }
    const range = [images + 1, images + 1 + data.people.length];
    yield place(0, encodeRecord({ label: range, id: 0 }, new Uint8Array()));
  }

  function* read(store: ReturnType<typeof openImageStore>) {
    for (const face of order) {
      const sample = data.at(face);
      yield readEncoded(sample, store, encode).then((image) => ({ face, sample, image }));
    }
  }

  function* idx(): Generator<Uint8Array> {
    const last = images + data.people.length;
    const line = (key: number): string => `${key}\t${positions[key]}\n`;
    yield* textPieces(last + 1, (at) => line(at < last ? at + 1 : 0));
  }

  function* lst(): Generator<Uint8Array> {
    yield* textPieces(images, (at) => {
      const { id, person } = data.at(itemAt(packed, at));
      return `1\t${plainName(id).replaceAll(/[\t\r\n]/g, " ")}\t${person}\n`;
    });
  }

  const report = () => ({ images, people: data.people.length, bytes, unreadable: tally.report() });
  return { records, idx, lst, report };
}

function* textPieces(count: number, line: (at: number) => string): Generator<Uint8Array> {
  for (let start = 0; start < count; start += linesAtOnce)
    yield Buffer.from(
      Array.from({ length: Math.min(linesAtOnce, count - start) }, (_, at) => line(start + at)).join(""),
    );
}

/** The encoded image, or why there is none. */
async function readEncoded(
  { source }: Sample,
  store: ReturnType<typeof openImageStore>,
  encode: PackOptions["encode"],
): Promise<Uint8Array | string> {
  try {
    if (source.kind === "synthetic") return await encode(source);
    const bytes =
      source.kind === "memory"
        ? source.bytes
        : source.kind === "file"
          ? await readGivenFile(onDisk(source.path))
          : store.read(source);
    const ending = endingOf(bytes);
    if (ending === ".jpg" || ending === ".png") return bytes;
    return await encode(source);
  } catch (error) {
    if (error instanceof PetalfaceError) return error.message;
    const code = systemCode(error);
    if (code === undefined || /^(EMFILE|ENFILE|ENOMEM|EAGAIN)$/.test(code)) throw error;
    return `cannot read image ${source.kind === "file" ? printPath(source.path) : nameOf(source as StoredSource)}: ${code}`;
  }
}

/** Faces person by person, each one's in their order. */
function byPerson(data: FaceData): Uint32Array {
  const counts = new Uint32Array(data.people.length + 1);
  for (let face = 0; face < data.length; face++) {
    const { person, id } = data.at(face);
    if (person < 0)
      throw new PetalfaceError(
        "PETAL_DATA_UNFIT",
        `${printPath(data.spec)}: the person on ${printPath(id)} is unknown; a record file needs a person for each face`,
      );
    counts[person + 1] = itemAt(counts, person + 1) + 1;
  }
  for (let person = 1; person < counts.length; person++)
    counts[person] = itemAt(counts, person) + itemAt(counts, person - 1);
  const order = new Uint32Array(data.length);
  for (let face = 0; face < data.length; face++) {
    const { person } = data.at(face);
    const at = itemAt(counts, person);
    order[at] = face;
    counts[person] = at + 1;
  }
  return order;
}
