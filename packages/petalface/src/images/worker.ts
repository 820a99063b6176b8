import { Piscina } from "piscina";
import sharp from "sharp";
import { type SentError, sendError } from "../thread.ts";
import { createPreparer, type PrepareOptions, type WorkerRequest } from "./prepare.ts";

/** What a worker answers. */
export interface WorkerAnswer {
  readonly planes: Uint8Array<ArrayBuffer>;
  readonly bad: readonly (SentError & { readonly index: number })[];
}

// Faces are small: the threads are the workers themselves, and no image is met twice soon enough
// for libvips' cache.
sharp.concurrency(1);
sharp.cache(false);

const options: PrepareOptions = Piscina.workerData;
const { prepare } = createPreparer(options);

/** Entry point of the pool: prepares a part of a batch. */
export default async function work(requests: readonly WorkerRequest[]): Promise<unknown> {
  const { planes, bad } = await prepare(requests);
  const answer: WorkerAnswer = {
    planes,
    bad: bad.map(({ index, error }) => ({ index, ...sendError(error) })),
  };
  // The package types these two keys by symbols that it does not export.
  const message = { [Piscina.transferableSymbol]: [planes.buffer], [Piscina.valueSymbol]: answer };
  return Piscina.move(message as unknown as ArrayBuffer);
}
