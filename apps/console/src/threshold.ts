import { ask, type Gallery, type Scores } from "./api.ts";
import { counted, h, section } from "./dom.ts";
import { failed } from "./state.ts";

/** Rates of the slider: one stranger in so many is taken for somebody. */
const rates = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** The part *Threshold*: who would be let in, and who would be sent away. */
export function thresholdView(gallery: Gallery): HTMLElement {
  const slider = h("input", { type: "range", min: 0, max: rates.length - 1, step: 1, value: 6, id: "rate" });
  const output = h("output", { for: "rate" });
  const result = h("div", { "aria-live": "polite" });
  const place = section(
    "How sure must it be?",
    h(
      "p",
      {},
      "Each enrolled face is searched among all other people, as a stranger would be. The threshold lies above all but the chosen share of them.",
    ),
    h("label", { for: "rate" }, "Strangers who may be taken for somebody"),
    h("div", { class: "row" }, slider, output),
    result,
  );
  const load = async (): Promise<void> => {
    try {
      const scores = await ask<Scores>("GET", `galleries/${encodeURIComponent(gallery.name)}/scores`);
      if (scores.faces.length === 0) {
        result.replaceChildren(
          h("p", { class: "note" }, "Two people at least must be enrolled before a threshold can be estimated."),
        );
        slider.disabled = true;
        return;
      }
      const draw = (): void => {
        const rate = rates[Number(slider.value)] ?? 100;
        const text = rate === 1 ? "everybody" : `one in ${rate}`;
        output.textContent = text;
        slider.setAttribute("aria-valuetext", text);
        result.replaceChildren(...show(scores, 1 / rate));
      };
      slider.addEventListener("input", draw);
      draw();
    } catch (error) {
      failed(error);
    }
  };
  void load();
  return place;
}

/**
 * The cosine that at most a share of strangers exceeds, and what it means for the enrolled faces.
 */
export function outcomeAt({ faces }: Scores, rate: number) {
  const sorted = faces.map(({ other }) => other).sort((one, other) => one - other);
  // The slack lets 0.01 x 900 = 9 through although the product is not exact.
  const allowed = Math.floor(rate * sorted.length * (1 + 1e-12));
  const threshold = allowed >= sorted.length ? -1 : (sorted[sorted.length - 1 - allowed] ?? 1);
  return {
    threshold,
    letIn: faces.filter(({ other }) => other > threshold).sort((one, other) => other.other - one.other),
    turnedAway: faces
      .filter(({ own }) => own !== null && own <= threshold)
      .sort((one, other) => (one.own ?? 0) - (other.own ?? 0)),
    known: faces.filter(({ own }) => own !== null).length,
  };
}

/** Lines that are listed of each kind. */
const listed = 10;

function show(scores: Scores, rate: number): HTMLElement[] {
  const { threshold, letIn, turnedAway, known } = outcomeAt(scores, rate);
  const count = scores.faces.length;
  const isTooFew = rate * count < 1;
  return [
    h(
      "p",
      { class: "verdict" },
      threshold < 0 ? "No threshold: everybody is let in." : `Threshold: cosine ${threshold.toFixed(3)}`,
    ),
    isTooFew
      ? h(
          "p",
          { class: "note" },
          `${counted(count, "face")} cannot show so small a rate; the highest cosine counts. Enrol more people.`,
        )
      : "",
    h("h3", {}, `Let in by mistake: ${letIn.length} of ${count} as strangers`),
    lines(letIn.map(({ person, like, other }) => `${person} as ${like} (${other.toFixed(3)})`)),
    h("h3", {}, `Sent away by mistake: ${turnedAway.length} of ${counted(known, "face")} whose person has others`),
    lines(turnedAway.map(({ person, own }) => `a face of ${person} (${own?.toFixed(3)})`)),
  ].filter((element) => element !== "") as HTMLElement[];
}

const lines = (texts: readonly string[]): HTMLElement =>
  texts.length === 0
    ? h("p", { class: "note" }, "none")
    : h(
        "ul",
        {},
        ...texts.slice(0, listed).map((text) => h("li", {}, text)),
        texts.length > listed && h("li", { class: "note" }, `and ${texts.length - listed} more`),
      );
