import { Piscina } from "piscina";
import sharp from "sharp";
import { openPhotoReader, type PhotoJob, type PhotoOptions, type PhotoResult } from "./read.ts";

// The threads are the workers themselves, and no photo comes twice soon enough for libvips' cache.
sharp.concurrency(1);
sharp.cache(false);

const reader = openPhotoReader(Piscina.workerData as PhotoOptions);
// Awaited with the first job, whose error it becomes.
reader.catch(() => undefined);

/**
 * Entry point of the pool: finds and cuts out the faces of one photo. Undefined: the thread is only
 * asked whether it has started.
 */
export default async function run(job: PhotoJob | undefined): Promise<PhotoResult | undefined> {
  const read = await reader;
  return job === undefined ? undefined : await read(job);
}
