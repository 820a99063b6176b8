import { auditFaces, pictureSize } from "../../audit/index.ts";
import type { FaceData } from "../../data/index.ts";
import { type Loader, openLoader, printPath } from "../../images/index.ts";
import { openResources } from "../../resources.ts";
import { type Faces, type LeftOutOptions, leftOutOf, openFaces } from "../data.ts";
import { engineOf, type GivenModel, type Model, modelOf } from "../model.ts";
import { type CallOptions, type Progress, type Surroundings, surroundingsOf } from "../surroundings.ts";
import { type Findings, nameFindings } from "./findings.ts";

/** Which sets to look through. */
export interface AuditOptions extends Omit<GivenModel, "model">, CallOptions, LeftOutOptions {
  readonly data: Faces;
  /** A second set: finds pictures and people that are in both. */
  readonly against?: Faces | undefined;
  /** Finds wrong names; only copies are looked for unless given. */
  readonly model?: GivenModel["model"] | undefined;
}

/** What an audit found. */
export interface Audited {
  readonly findings: Findings;
  /** What of the sets cannot be used. */
  readonly leftOut: ReturnType<typeof leftOutOf>;
}

/**
 * Looks at every picture of a set for copies, with a model also for wrong names, and in two sets
 * for shared people: `petalface inspect`.
 *
 * @throws PetalfaceError if the faces or the model cannot be used
 */
export async function audit(options: AuditOptions): Promise<Audited> {
  const surroundings = surroundingsOf(options);
  await using open = openResources();
  const { model: given } = options;
  const model = given === undefined ? undefined : await modelOf({ ...options, model: given }, open.keep);
  const data = await openFaces(options.data, options, surroundings);
  const { against: other } = options;
  const against = other === undefined ? undefined : await openFaces(other, options, surroundings);
  const threads = model?.engine.threads ?? engineOf(options).threads;
  const pictures = open.keep(openLoader({ size: pictureSize, threads, faces: data.length + (against?.length ?? 0) }));
  return await auditSets({ data, against, model, pictures }, surroundings);
}

/** What {@link auditSets} looks through. */
export interface AuditSets {
  readonly data: FaceData;
  readonly against: FaceData | undefined;
  readonly model: Model | undefined;
  /** Loads pictures of {@link pictureSize}. */
  readonly pictures: Loader;
}

/** As {@link audit}, for sets that are open. */
export async function auditSets(
  { data, against, model, pictures }: AuditSets,
  surroundings: Surroundings,
): Promise<Audited> {
  await using open = openResources();
  const loader =
    model && open.keep(openLoader({ size: model.size, threads: model.engine.threads, faces: data.length }));
  const embedder = await model?.embedder();
  let progress: Progress | undefined;
  let stage = "";
  try {
    const found = await auditFaces({
      data,
      against,
      pictures,
      signal: surroundings.signal,
      model: embedder && loader && { embedder, loader, session: { threads: model.engine.threads } },
      onProgress(what, done, total) {
        if (what !== stage) {
          progress?.close();
          progress = surroundings.progress(what === "pictures" ? "comparing" : "embedding", total, "faces");
          stage = what;
        }
        progress?.update(done);
      },
    });
    const findings = nameFindings(found, data, against);
    return { findings, leftOut: withFindings(data, findings) };
  } finally {
    progress?.close();
  }
}

/**
 * Pictures of the set, and of the one that it is compared with, that cannot be used: those that the
 * list lacked, and those that were found.
 */
function withFindings(data: FaceData, { pictures, unreadable, problems, notFinite }: Findings) {
  const listed = leftOutOf(data);
  const more = notFinite.map(({ id }) => `${printPath(id)}: its embedding is not finite`);
  return {
    ...listed,
    count: listed.count + unreadable + notFinite.length,
    notFinite: notFinite.length,
    tried: listed.count + pictures,
    first: [...listed.first, ...problems, ...more].slice(0, 5),
  };
}
