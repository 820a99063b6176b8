import { comparePreprocessing, type PreprocessingFindings, pictureSize } from "../../audit/index.ts";
import { type FaceData, openData } from "../../data/index.ts";
import { writeFileSafely } from "../../files.ts";
import { openLoader } from "../../images/index.ts";
import type { ModelChoices } from "../../models/index.ts";
import { openResources } from "../../resources.ts";
import { type LeftOutOptions, leftOutOf } from "../data.ts";
import { choicesOf, engineOf, openFrozen, openModel } from "../model.ts";
import { claimOutputs } from "../outputs.ts";
import type { Progress, Surroundings } from "../surroundings.ts";
import { auditSets } from "./audit.ts";
import { renderAuditPage } from "./audit-page.ts";
import type { Findings } from "./findings.ts";

/** Sets up to this are looked at without being asked: a few seconds. */
const small = 20_000;

/** How the pictures of a set are looked at. */
export interface PicturesOptions extends ModelChoices, LeftOutOptions {
  /** undefined: yes for small sets, and where any of the others is given. */
  readonly check?: boolean | undefined;
  /** Finds wrong names. */
  readonly model?: string | undefined;
  /** A second set: pictures and people that are in both are found. */
  readonly against?: string | undefined;
  /** File of a page of the findings. */
  readonly report?: string | undefined;
}

/** What {@link inspectPictures} found. */
export interface PicturesInspection {
  /** Undefined where it did not look. */
  readonly findings: Findings | undefined;
  /** What of the set cannot be used. */
  readonly leftOut: ReturnType<typeof leftOutOf>;
  /** Whether a set of photos was too large to look at without being asked. */
  readonly tooMany: boolean;
}

/**
 * Looks at every picture of a set, if it is asked to or the set is small. Writes the page, if one
 * is asked for. Throws PetalfaceError.
 */
export async function inspectPictures(
  spec: string,
  options: PicturesOptions,
  surroundings: Surroundings,
): Promise<PicturesInspection> {
  const { check, model: file, report, mostLeftOut } = options;
  await using _outputs = await claimOutputs([report], surroundings, { inputs: [spec, options.against, file] });
  const openSet = (set: string): Promise<FaceData> => openData(set, { mostLeftOut });
  const data = await openSet(spec);
  const asked = file ?? options.against ?? report;
  const photos = data.length > 0 && data.at(0).source.kind !== "synthetic";
  if (!(check ?? (asked !== undefined || (photos && data.length <= small))))
    return { findings: undefined, leftOut: leftOutOf(data), tooMany: photos && check === undefined };
  const against = options.against === undefined ? undefined : await openSet(options.against);
  await using open = openResources();
  const model = file === undefined ? undefined : open.keep(await openModel({ ...choicesOf(options), model: file }));
  const faces = data.length + (against?.length ?? 0);
  const pictures = open.keep(openLoader({ size: pictureSize, threads: engineOf({}).threads, faces }));
  const { findings, leftOut } = await auditSets({ data, against, model, pictures }, surroundings);
  if (report !== undefined)
    await writeFileSafely(report, await renderAuditPage({ findings, data, against, loader: pictures }));
  return { findings, leftOut, tooMany: false };
}

/** Finds out on the faces of a set whether a model is fed as it was trained. */
export async function inspectFeeding(
  spec: string,
  options: ModelChoices & LeftOutOptions & { readonly model: string },
  { signal, progress: begin }: Pick<Surroundings, "signal" | "progress">,
): Promise<PreprocessingFindings> {
  const data = await openData(spec, { mostLeftOut: options.mostLeftOut });
  const backbone = await openFrozen(options);
  const { threads } = engineOf({});
  await using loader = openLoader({ size: backbone.size, threads, faces: data.length });
  let progress: Progress | undefined;
  try {
    return await comparePreprocessing({
      backbone,
      data,
      loader,
      session: { threads },
      signal,
      onProgress(done, total) {
        progress ??= begin("trying preprocessings", total, "faces");
        progress.update(done);
      },
    });
  } finally {
    progress?.close();
  }
}
