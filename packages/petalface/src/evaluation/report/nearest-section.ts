import type { Condition } from "../results/types.ts";
import type { FoundAtAlarms } from "../statistics/alarms.ts";
import { searchedFaces } from "./found-words.ts";
import { type Html, html } from "./html.ts";
import { pictureAddress, type ReportFace, shortName } from "./pictures.ts";

/** One of the people that a model finds nearest to a probe. */
export interface ReportNearPerson {
  readonly face: ReportFace;
  /** Whether it is the probe's own person. */
  readonly right: boolean;
  /** Cosine. */
  readonly score: number;
}

/** Probes with the people that are nearest to them, by the model and by the baseline. */
export interface NearestPicture {
  readonly condition: Condition;
  /** Names of the model, and of the baseline where there is one. */
  readonly model: string;
  readonly baseline?: string | undefined;
  readonly probes: readonly {
    readonly name: string;
    readonly face: ReportFace;
    readonly after: readonly ReportNearPerson[];
    readonly before?: readonly ReportNearPerson[] | undefined;
  }[];
}

const signed = (score: number): string => score.toFixed(2).replace("-", "\u2212");

function list(title: string, people: readonly ReportNearPerson[], threshold: number | undefined): Html {
  const [first] = people;
  const enough = first !== undefined && (threshold === undefined || first.score > threshold);
  const outcome =
    first === undefined
      ? "no person"
      : first.right
        ? enough
          ? "found"
          : "right, below threshold"
        : enough
          ? "wrong person"
          : "not found";
  const look = outcome === "found" ? "good" : outcome === "wrong person" ? "bad" : "even";
  return html`<div class="near"><p class="near-head"><span>${title}</span> <b class="${look}">${outcome}</b></p><ol>${people.map(
    ({ face, right, score }) =>
      html`<li class="${right ? "right" : ""}"><img src="${pictureAddress(face)}" alt="${shortName(face.label)}" width="112" height="112"><span>${right ? html`<b class="tick" role="img" aria-label="right person">✓</b> ` : undefined}${signed(score)}</span></li>`,
  )}</ol></div>`;
}

/**
 * The picture that a report opens with: probes in a column, and for each the nearest people before
 * and after, with ticks where the person is right. Undefined without probes.
 */
export function nearestSection(
  picture: NearestPicture | undefined,
  found: FoundAtAlarms | undefined,
): Html | undefined {
  if (picture === undefined || picture.probes.length === 0) return undefined;
  const { condition, model, baseline, probes } = picture;
  const thresholds = { model: found?.model.threshold, baseline: found?.baseline?.threshold };
  const above = found === undefined ? "" : " and above the threshold";
  return html`<section id="nearest" class="picture"><h2>The nearest people${baseline === undefined ? "" : ", before and after"}</h2>
<ul class="probes">${probes.map(
    ({
      name,
      face,
      before,
      after,
    }) => html`<li><figure class="probe"><img src="${pictureAddress(face)}" alt="probe ${shortName(name)}, ${face.label}" width="112" height="112"><figcaption>${face.label}${face.alpha === undefined ? undefined : html`<br>alpha ${face.alpha.toFixed(2)}`}</figcaption></figure>
${before && list(`before: ${baseline}`, before, thresholds.baseline)}${list(baseline === undefined ? model : `after: ${model}`, after, thresholds.model)}</li>`,
  )}</ul>
<p class="note">Left: ${searchedFaces(condition)}, as the model saw them. They are evenly spaced over all probes, chosen before anything was measured.
Then the five people that score highest, with their cosines; ✓ marks the right person. Found: the right person comes first${above}.</p></section>`;
}
