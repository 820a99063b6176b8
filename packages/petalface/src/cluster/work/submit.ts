import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { openFrozen } from "../../api/model.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { openData } from "../../data/index.ts";
import { openGallery } from "../../gallery/index.ts";
import { openMeasure } from "../../quality/index.ts";
import { type Job, submit } from "./queue.ts";
import type { QueueServer } from "./server.ts";
import type { JobWork } from "./types.ts";

/** A job to submit. */
export interface Submission
  extends Pick<JobWork, "kind" | "model" | "adapter" | "metric" | "out" | "gallery" | "record"> {
  /** The faces; of `migrate` the pictures that the gallery does not keep, or "". */
  readonly data: string;
  /** Faces of a shard. */
  readonly shardSize: number;
}

/**
 * Looks at a job's set and model, and writes the job to the servers of a queue. The same submission
 * has the same id: repeated, it adds nothing.
 *
 * @throws PetalfaceError where the set or the model cannot be used, or a server does not answer
 */
export async function submitJob(
  servers: readonly QueueServer[],
  { data: spec, shardSize, ...asked }: Submission,
  context: Surroundings,
): Promise<Job> {
  const data = spec === "" ? undefined : await openData(spec, { signal: context.signal });
  const { model, adapter, metric, out } = asked;
  if (metric !== undefined) await openMeasure(metric);
  const isPath = (text: string): boolean => text !== "" && !/^synthetic(:|$)/.test(text);
  const moving = asked.kind === "migrate" ? await stateOf(asked.gallery) : undefined;
  const work: JobWork = {
    ...asked,
    ...(out !== undefined && { out: resolve(out) }),
    ...(adapter !== undefined && { adapter: resolve(adapter) }),
    ...(model !== undefined && { sha256: (await openFrozen({ model, adapter })).spec.sha256 }),
    data: isPath(spec) ? resolve(spec) : spec,
    fingerprint: data?.fingerprint ?? "",
    faces: moving?.faces ?? data?.length ?? 0,
    ...(moving && { version: moving.version }),
  };
  const id = createHash("sha256").update(JSON.stringify({ work, shardSize })).digest("hex").slice(0, 12);
  return await submit(servers, { id, work }, work.faces, shardSize);
}

/** How many ids of faces a gallery has given so far, and its count of changes. */
async function stateOf(gallery = ""): Promise<{ readonly faces: number; readonly version: number }> {
  await using store = await openGallery(gallery, { parts: "allowed" });
  return { faces: await store.lastFace(), version: await store.version() };
}
