import { availableParallelism } from "node:os";
import { leftOutOf } from "../../../../api/data.ts";
import { type Findings, nameFindings } from "../../../../api/findings.ts";
import { choicesOf } from "../../../../api/model.ts";
import { claimOutputs } from "../../../../api/outputs.ts";
import type { Progress } from "../../../../api/surroundings.ts";
import { auditFaces, pictureSize } from "../../../../audit/index.ts";
import { openBackbone, openEmbedder } from "../../../../backbones/index.ts";
import { type FaceData, openData } from "../../../../data/index.ts";
import { writeFileSafely } from "../../../../files.ts";
import { openLoader, printPath } from "../../../../images/index.ts";
import type { ModelChoices } from "../../../../models/index.ts";
import { openResources } from "../../../../resources.ts";
import type { CliContext } from "../../../context.ts";
import type { DataFlags } from "../../../data.ts";
import { renderAuditPage } from "./page.ts";
import { printFindings } from "./text.ts";

/** Sets up to this are looked at without being asked: a few seconds. */
const small = 20_000;

/** How `petalface inspect` looks at the pictures of a set. */
export interface AuditFlags extends ModelChoices, DataFlags {
  /** undefined: yes for small sets, and where any of the others is given. */
  readonly check?: boolean;
  readonly model?: string;
  readonly against?: string;
  readonly report?: string;
}

/**
 * Looks at every picture of a set, if it is asked to or the set is small. Writes the page, if one
 * is asked for.
 *
 * @returns what was found, lines for people, and what of the set cannot be used; undefined findings
 * where it did not look
 */
export async function runAudit(spec: string, flags: AuditFlags, context: CliContext) {
  await using _outputs = await claimOutputs([flags.report], context, {
    inputs: [spec, flags.against, flags.model],
  });
  const openSet = (set: string): Promise<FaceData> => openData(set, { mostLeftOut: flags.maxLeftOut });
  const data = await openSet(spec);
  const asked = flags.model ?? flags.against ?? flags.report;
  const photos = data.length > 0 && data.at(0).source.kind !== "synthetic";
  if (!(flags.check ?? (asked !== undefined || (photos && data.length <= small)))) {
    const hint = `look for copies and wrong names: petalface inspect ${spec} --check`;
    return { findings: undefined, lines: photos && flags.check === undefined ? [hint] : [], leftOut: leftOutOf(data) };
  }
  const against = flags.against === undefined ? undefined : await openSet(flags.against);
  const threads = availableParallelism();
  await using pictures = openLoader({ size: pictureSize, threads });
  const backbone = flags.model === undefined ? undefined : await openBackbone(flags.model, choicesOf(flags));
  const session = { threads };
  await using open = openResources();
  const embedder = backbone && open.keep(await openEmbedder(backbone, session));
  const loader = backbone && open.keep(openLoader({ size: backbone.size, threads }));
  let progress: Progress | undefined;
  let stage = "";
  try {
    const audit = await auditFaces({
      ...{ data, against, pictures, signal: context.signal },
      model: embedder && loader && { embedder, loader, session },
      onProgress(what, done, total) {
        if (what !== stage) {
          progress?.close();
          progress = context.progress(what === "pictures" ? "comparing" : "embedding", total, "faces");
          stage = what;
        }
        progress?.update(done);
      },
    });
    progress?.close();
    progress = undefined;
    const findings = nameFindings(audit, data, against);
    if (flags.report !== undefined)
      await writeFileSafely(flags.report, await renderAuditPage({ findings, data, against, loader: pictures }));
    const page = flags.report === undefined ? [] : [`page: ${flags.report}`];
    return { findings, lines: [...printFindings(findings), ...page], leftOut: withFindings(data, findings) };
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
