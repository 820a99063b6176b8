import { leftOutOf } from "../../../../api/data.ts";
import { auditSets } from "../../../../api/inspect/audit.ts";
import { renderAuditPage } from "../../../../api/inspect/audit-page.ts";
import { choicesOf, engineOf, openModel } from "../../../../api/model.ts";
import { claimOutputs } from "../../../../api/outputs.ts";
import { pictureSize } from "../../../../audit/index.ts";
import { type FaceData, openData } from "../../../../data/index.ts";
import { writeFileSafely } from "../../../../files.ts";
import { openLoader } from "../../../../images/index.ts";
import type { ModelChoices } from "../../../../models/index.ts";
import { openResources } from "../../../../resources.ts";
import type { CliContext } from "../../../context.ts";
import type { DataFlags } from "../../../data.ts";
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
  await using open = openResources();
  const { model: file } = flags;
  const model = file === undefined ? undefined : open.keep(await openModel({ ...choicesOf(flags), model: file }));
  const pictures = open.keep(openLoader({ size: pictureSize, threads: engineOf({}).threads }));
  const { findings, leftOut } = await auditSets({ data, against, model, pictures }, context);
  if (flags.report !== undefined)
    await writeFileSafely(flags.report, await renderAuditPage({ findings, data, against, loader: pictures }));
  const page = flags.report === undefined ? [] : [`page: ${flags.report}`];
  return { findings, lines: [...printFindings(findings), ...page], leftOut };
}
