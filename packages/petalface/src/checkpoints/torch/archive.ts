import { PetalfaceError } from "../../errors.ts";
import type { OpenFile } from "../file.ts";
import { unpickle } from "../pickle/unpickle.ts";
import type { PickleStorage, PickleValue } from "../pickle/values.ts";
import type { Storage } from "../types.ts";
import { callTorch, storageOf } from "./objects.ts";
import { listZip, readEntry } from "./zip.ts";

/** The pickle of a checkpoint of 300 tensors has 30 kB. */
const LARGEST_PICKLE = 2 ** 26;

/** The object that was saved, with its tensors' storages still in the file. */
export interface TorchFile {
  readonly format: "torch-zip" | "torch-legacy";
  readonly value: PickleValue;
  /**
   * Where the bytes of a storage are. Throws PetalfaceError where the file does not have them as
   * announced.
   */
  readonly locate: (storage: PickleStorage) => Storage;
}

/**
 * Reads what `torch.save` has written since PyTorch 1.6: a zip with one folder, in it `data.pkl`
 * and a record `data/KEY` for each storage. Deflated entries, which other tools make of it, are
 * read too.
 *
 * Format: PyTorch, torch/serialization.py and caffe2/serialize/inline_container.h
 */
export async function readTorchZip(file: OpenFile): Promise<TorchFile> {
  const { path } = file;
  const entries = await listZip(file);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickleName] = pickles;
  if (pickleName === undefined)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a zip file without data.pkl, so no PyTorch checkpoint`,
    );
  if (pickles.length > 1)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a zip file with ${pickles.length} data.pkl; which one is meant is unknown`,
    );
  const root = pickleName.slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`))
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a TorchScript program; save its weights alone: torch.save(torch.jit.load(FILE).state_dict(), OTHER)`,
    );
  const read = async (name: string, limit: number): Promise<Uint8Array | undefined> => {
    const entry = entries.get(root + name);
    return entry && (await readEntry(file, entry, limit));
  };
  const order = Buffer.from((await read("byteorder", 16)) ?? "little")
    .toString("latin1")
    .trim();
  if (order !== "little" && order !== "big")
    throw new PetalfaceError("PETAL_CHECKPOINT_UNSUPPORTED", `${path}: its byte order is ${JSON.stringify(order)}`);
  const pickle = (await read("data.pkl", LARGEST_PICKLE)) as Uint8Array;
  const { value, end } = unpickle(pickle, {
    name: path,
    python2: "text",
    call: callTorch,
    persistent: storageOf,
  });
  if (end !== pickle.length)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${path}: ${pickle.length - end} bytes follow the end of its pickle`,
    );
  return {
    format: "torch-zip",
    value,
    locate: ({ key, recordLength, start, length }) => {
      const entry = entries.get(`${root}data/${key}`);
      if (entry === undefined)
        throw new PetalfaceError(
          "PETAL_CHECKPOINT_DAMAGED",
          `${path}: storage ${key} is missing; is the file complete?`,
        );
      if (entry.length !== recordLength)
        throw new PetalfaceError(
          "PETAL_CHECKPOINT_DAMAGED",
          `${path}: storage ${key} has ${entry.length} bytes and announces ${recordLength}`,
        );
      if (start !== 0 || length !== recordLength)
        throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${path}: storage ${key} is a piece of another one`);
      return {
        file: path,
        offset: entry.offset,
        length,
        ...(entry.deflated ? { deflated: entry.stored } : {}),
        crc32: entry.crc32,
        littleEndian: order === "little",
      };
    },
  };
}
