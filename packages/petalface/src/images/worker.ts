import { Piscina } from "piscina";
import { type SentError, sendError } from "../thread.ts";
import { createPreparer, type PrepareOptions, type WorkerRequest } from "./prepare.ts";

/** What a worker answers. */
export interface WorkerAnswer {
  readonly planes: Uint8Array<ArrayBuffer>;
  readonly bad: readonly (SentError & { readonly index: number })[];
}

const options: PrepareOptions = Piscina.workerData;
const { prepare } = createPreparer(options);
let decoder: Promise<void> | undefined;

/**
 * Loads sharp, which takes a third of the time that a thread needs to start. Faces are small: the
 * threads are the workers themselves, and no image is met twice soon enough for libvips' cache.
 */
async function loadDecoder(): Promise<void> {
  const { default: sharp } = await import("sharp");
  sharp.concurrency(1);
  sharp.cache(false);
}

/** Entry point of the pool: prepares a part of a batch. */
export default async function work(requests: readonly WorkerRequest[]): Promise<unknown> {
  // Synthetic faces are drawn, not decoded.
  if (requests.some(({ source }) => source.kind !== "synthetic")) {
    decoder ??= loadDecoder();
    await decoder;
  }
  const { planes, bad } = await prepare(requests);
  const answer: WorkerAnswer = {
    planes,
    bad: bad.map(({ index, error }) => ({ index, ...sendError(error) })),
  };
  // The package types these two keys by symbols that it does not export.
  const message = { [Piscina.transferableSymbol]: [planes.buffer], [Piscina.valueSymbol]: answer };
  return Piscina.move(message as unknown as ArrayBuffer);
}
