import { printPath } from "../../../images/index.ts";
import type { FalseAcceptRate } from "../../../matching/index.ts";

/** One line on the answer for a photo or a track. */
export function printAnswer(answer: {
  readonly photo: string;
  readonly decision: string;
  readonly reason: string | null;
  readonly person: string | null;
  readonly cosine: number | null;
  readonly threshold: number | null;
  readonly falseAcceptRate: FalseAcceptRate | null;
  readonly alpha: number | null;
  readonly detail: string | null;
  readonly candidates: readonly { readonly person: string; readonly cosine: number }[];
}): string {
  const { photo, decision, reason, person, cosine, threshold, falseAcceptRate, alpha, detail, candidates } = answer;
  const [first] = candidates;
  const said = person ?? reason ?? "";
  const numbers = [
    ...(cosine === null ? [] : [`cosine ${cosine.toFixed(3)}${person === null && first ? ` to ${first.person}` : ""}`]),
    ...(threshold === null ? [] : [`threshold ${threshold.toFixed(3)}`]),
    ...(falseAcceptRate === null ? [] : [printRate(falseAcceptRate)]),
    ...(alpha === null ? [] : [`alpha ${alpha.toFixed(2)}`]),
    ...(detail === null ? [] : [detail]),
  ];
  return `${printPath(photo)}: ${decision}${decision === "match" ? ` ${said}` : `, ${said}`}${numbers.length > 0 ? ` (${numbers.join(", ")})` : ""}`;
}

/** How often a stranger would be accepted, in words. */
function printRate({ rate, below }: FalseAcceptRate): string {
  const share = rate > 0.1 ? `${(100 * rate).toFixed(0)} %` : `1 in ${Math.round(1 / rate).toLocaleString("en")}`;
  return `false-accept rate ${below ? "below " : ""}${share}`;
}
