import { printArgument } from "../../print-path.ts";
import type { FoundAtAlarms } from "../statistics/alarms.ts";
import type { Comparison, Difference } from "../statistics/compare.ts";
import { fewestPeople } from "../statistics/significance.ts";
import { printThreshold } from "./found-words.ts";
import { type Html, html } from "./html.ts";
import { roughly, verdict } from "./words.ts";

/** What to do with an adapted model, in plain words. */
export interface Advice {
  readonly word: "Enough to deploy" | "Collect more faces" | "No gain";
  readonly look: "good" | "even" | "bad";
  readonly why: string;
  readonly next: readonly Html[];
}

/** How the commands of a report name the model and the adapter. */
export interface NamedModel {
  readonly model: string;
  readonly adapter: string;
}

/** Below this p value a difference is worth more faces. */
const promising = 0.3;

const command = (text: string): Html => html`<code>petalface ${text}</code>`;

/**
 * The verdict on an adapted model. It rests on the search in focus, or without one on the
 * difference that the report opens with, and on whether any measure became worse beyond chance.
 *
 * @param lead the difference that the report opens with
 */
export function advise(
  comparison: Comparison,
  lead: Difference | undefined,
  found: FoundAtAlarms | undefined,
  named: NamedModel | undefined,
): Advice | undefined {
  const difference = found?.difference ?? lead;
  if (difference === undefined) return undefined;
  const { model, adapter } = { model: named?.model ?? "MODEL", adapter: named?.adapter ?? "RUN" };
  const both = `--model ${printArgument(model)} --adapter ${printArgument(adapter)}`;
  const worse = comparison.differences.filter(
    (each) => ["accuracy", "rank1", "rank", "tpir"].includes(each.kind) && verdict(each) < 0,
  ).length;
  const collect = html`Train again with more people, or with more faces of each: ${command(`adapt --model ${printArgument(model)} --train FACES --out RUN`)}.`;
  const quality = html`Look at the faces at their scores: ${command(`quality FACES ${both} --report quality.html`)}.`;
  const measureMore = (people: string): Html => html`Measure with ${people} people or more, then look at this again.`;
  if (comparison.people < fewestPeople)
    return {
      word: "Collect more faces",
      look: "even",
      why: `${comparison.people} people are too few to tell a gain from chance; ${fewestPeople} are the least.`,
      next: [measureMore("100"), quality],
    };
  if (verdict(difference) > 0)
    return {
      word: "Enough to deploy",
      look: "good",
      why:
        worse === 0
          ? "The gain is beyond chance, and no measure became worse beyond chance."
          : `The gain is beyond chance, but ${worse} ${worse === 1 ? "measure" : "measures"} became worse beyond chance: see the arrows under Differences.`,
      next: [
        html`Make the file to deploy: ${command(`export ${both} --out face.onnx`)}; ${command("export --help")} lists the products that it can fit.`,
        found === undefined
          ? html`Choose the threshold: ${command(`threshold ${both} --data FACES --far 0.001`)}.`
          : html`Set the threshold to ${printThreshold(found.model.threshold)}. It holds for a gallery of ${found.gallery.toLocaleString("en")} faces; for another size: ${command(`threshold ${both} --data FACES --far 0.001`)}.`,
        html`Try it on photos: ${command(`serve ${both} --gallery people.gallery`)}.`,
      ],
    };
  if (verdict(difference) < 0)
    return {
      word: "No gain",
      look: "bad",
      why: "The adapted model is worse beyond chance: keep the frozen one.",
      next: [
        html`Check that the training faces look like those of the camera: ${command(`inspect ${printArgument(adapter)}`)} shows what was trained.`,
        quality,
      ],
    };
  const needed = difference.peopleNeeded;
  if (difference.value > 0 && needed !== null && difference.p < promising)
    return {
      word: "Collect more faces",
      look: "even",
      why: `There may be a gain, but this sample cannot show it: it would take about ${roughly(needed)} people, and there are ${comparison.people.toLocaleString("en")}.`,
      next: [collect, measureMore(`about ${roughly(needed)}`)],
    };
  return {
    word: "No gain",
    look: "even",
    why: "The two models do not differ beyond chance here: keep the frozen one.",
    next: [
      quality,
      html`If these faces are sharp, this is what to expect: measure at the resolution of the camera, with ${command("evaluate --degrade lr:16")}.`,
      collect,
    ],
  };
}

/** The steps that follow from the verdict. */
export const nextSteps = ({ next }: Advice): Html =>
  html`<section id="next" class="next"><h2>What to do next</h2><ol>${next.map((step) => html`<li>${step}</li>`)}</ol></section>`;
