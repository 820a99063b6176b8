import { PetalfaceError } from "../../errors.ts";
import type { Condition } from "../results/types.ts";
import { describeCondition } from "./charts.ts";
import { type Html, html } from "./html.ts";
import type { Section } from "./sections.ts";

/** One face as a picture. */
export interface ReportFace {
  /** Such as `as given` or `16 px`. */
  readonly label: string;
  /** `data:image/png;base64,...` or `data:image/jpeg;base64,...`. */
  readonly image: string;
  readonly alpha?: number | undefined;
}

/** One face in several qualities. */
export interface ReportSample {
  readonly name: string;
  readonly faces: readonly ReportFace[];
}

/** A comparison that a model finds hard, with both faces as it saw them. */
export interface ReportPair {
  readonly first: ReportFace;
  readonly second: ReportFace;
  /** Cosine under the model, and under the baseline where there is one. */
  readonly score: number;
  readonly before?: number | undefined;
}

/** The hardest comparisons of one model under one condition. */
export interface HardestPairs {
  readonly model: string;
  readonly condition: Condition;
  /** One person each, least similar first. */
  readonly genuine: readonly ReportPair[];
  /** Two people each, most similar first. */
  readonly impostor: readonly ReportPair[];
}

/**
 * The address of a picture. Throws PetalfaceError where it is not a picture in itself: a report
 * must load nothing.
 */
export function pictureAddress({ label, image }: ReportFace, name = "face"): string {
  if (!/^data:image\/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$/.test(image))
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", `sample ${name}, ${label}: is not a PNG or JPEG data URI`);
  return image;
}

/** A picture with its caption. */
function picture(name: string, face: ReportFace): Html {
  const { label, alpha } = face;
  const text = alpha === undefined ? "" : `, alpha ${alpha.toFixed(2)}`;
  return html`<div><img src="${pictureAddress(face, name)}" width="112" height="112" alt="${name}, ${label}"><div class="cap">${label}${text}</div></div>`;
}

const signed = (score: number): string => score.toFixed(2).replace("-", "\u2212");

/**
 * A file's name without its ending and underscores, to fit next to a picture; with its folder where
 * the name is only a number.
 */
export const shortName = (id: string): string => {
  const [folder = "", name] = id.split("/").slice(-2);
  const file = (name ?? folder).replace(/\.[a-z]{3,4}$/i, "").replaceAll("_", " ");
  return /^\d+$/.test(file) && name !== undefined ? `${folder.replaceAll("_", " ")}, ${file}` : file;
};

export function sampleSection(samples: readonly ReportSample[]): Section | undefined {
  if (samples.length === 0) return undefined;
  const columns = Math.max(...samples.map((sample) => sample.faces.length));
  return {
    id: "faces",
    title: "What the models see",
    content: html`<div class="faces" tabindex="0" role="group" aria-label="faces" style="--n:${columns}">${samples.map(
      ({ name, faces }) =>
        html`<div class="who">${shortName(name)}</div>${Array.from({ length: columns }, (_, i) => {
          const face = faces[i];
          return face === undefined ? html`<div></div>` : picture(name, face);
        })}`,
    )}</div>`,
  };
}

export function hardestSection(hardest: HardestPairs | undefined): Section | undefined {
  if (hardest === undefined || hardest.genuine.length + hardest.impostor.length === 0) return undefined;
  const row = (title: string, pairs: readonly ReportPair[]): Html | undefined =>
    pairs.length === 0
      ? undefined
      : html`<h3>${title}</h3><div class="pairs">${pairs.map(
          ({ first, second, score, before }) =>
            html`<div class="pair"><div class="two-faces">${picture("pair", first)}${picture("pair", second)}</div>
<div class="score">${signed(score)}${before === undefined ? undefined : html`<small> was ${signed(before)}</small>`}</div></div>`,
        )}</div>`;
  return {
    id: "hardest",
    title: "Hardest pairs",
    content: html`<p>What ${hardest.model} finds hardest, ${describeCondition(hardest.condition)}; each person once. The number is the cosine${hardest.genuine.some(({ before }) => before !== undefined) ? ", then that of the baseline" : ""}.</p>
${row("One person, least similar", hardest.genuine)}${row("Two people, most similar", hardest.impostor)}`,
  };
}
