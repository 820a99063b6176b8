import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { calibrationOf } from "../../api/gallery/calibration.ts";
import { sourceOf } from "../../api/gallery/model.ts";
import { openFrozen, openModel } from "../../api/model.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type EmbeddingRecord, embeddingRecord, openGallery } from "../../gallery/index.ts";
import { openMeasure } from "../../quality/index.ts";
import { type Job, submit } from "./queue.ts";
import type { QueueServer } from "./server.ts";
import type { JobWork } from "./types.ts";

/** A job to submit. Which options a kind needs, and which it takes, is in {@link needs}. */
export interface Submission extends Pick<JobWork, "kind" | "model" | "adapter" | "metric" | "out" | "gallery"> {
  /** The faces; of `migrate` the pictures that the gallery does not keep. */
  readonly images?: string | undefined;
  /** Of `migrate`: scores of `sharpness` at which alpha is 0 and 1, where no adapter says it. */
  readonly alphaRange?: readonly number[] | undefined;
  /** Faces of a shard. */
  readonly shardSize: number;
}

type Asked = Exclude<keyof Submission, "kind" | "shardSize">;

/** What each kind of job needs, and what else it takes. */
const needs: Readonly<Record<JobWork["kind"], { readonly must: readonly Asked[]; readonly may?: readonly Asked[] }>> = {
  embed: { must: ["images", "model", "out"], may: ["adapter"] },
  quality: { must: ["images", "model", "metric", "out"] },
  align: { must: ["images", "out"] },
  enrol: { must: ["images", "gallery"] },
  migrate: { must: ["model", "gallery"], may: ["adapter", "images", "alphaRange"] },
};

/** Throws PetalfaceError (wrong usage) where an option is missing, or is another kind's. */
function checkOptions(asked: Submission): void {
  const { must, may = [] } = needs[asked.kind];
  const missing = must.find((name) => asked[name] === undefined);
  if (missing !== undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", `a job ${asked.kind} needs '${missing}'`);
  const other = (["model", "adapter", "metric", "out", "gallery", "alphaRange"] as const).find(
    (name) => asked[name] !== undefined && ![...must, ...may].includes(name),
  );
  if (other !== undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", `a job ${asked.kind} takes no '${other}'`);
}

/**
 * Looks at a job's set and model, and writes the job to the servers of a queue. The same submission
 * has the same id: repeated, it adds nothing.
 *
 * @throws PetalfaceError where options are missing, the set or the model cannot be used, or a
 * server does not answer
 */
export async function submitJob(
  servers: readonly QueueServer[],
  submission: Submission,
  surroundings: Surroundings,
): Promise<Job> {
  checkOptions(submission);
  const { images: spec = "", alphaRange, shardSize, kind, ...asked } = submission;
  const { model, adapter, metric, out } = asked;
  const record = kind === "migrate" ? await recordOf(submission, surroundings) : undefined;
  const data = spec === "" ? undefined : await openData(spec, { signal: surroundings.signal });
  if (metric !== undefined) await openMeasure(metric);
  const isPath = (text: string): boolean => text !== "" && !/^synthetic(:|$)/.test(text);
  const moving = kind === "migrate" ? await stateOf(asked.gallery) : undefined;
  const work: JobWork = {
    ...asked,
    record,
    kind,
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

/** What a job `migrate` changes a gallery to. */
async function recordOf(
  { model = "", adapter, alphaRange }: Submission,
  surroundings: Surroundings,
): Promise<EmbeddingRecord> {
  const opened = await openModel({ model, adapter });
  const calibration = calibrationOf(opened, { alphaRange }, surroundings);
  return embeddingRecord(opened.backbone, opened.adapter, calibration, await sourceOf({ model, adapter }));
}

/** How many ids of faces a gallery has given so far, and its count of changes. */
async function stateOf(gallery = ""): Promise<{ readonly faces: number; readonly version: number }> {
  await using store = await openGallery(gallery, { parts: "allowed" });
  return { faces: await store.lastFace(), version: await store.version() };
}
