import type { Estimate } from "petalface/portable";
import type { Comparison, Measured } from "../work/measure.ts";
import { verdictOf } from "../work/verdict.ts";
import type { FacesShown } from "../work/work.ts";
import { element, say } from "./elements.ts";

/** A few of the faces, each sharp above and at low resolution below. */
export function showFaces(faces: FacesShown): void {
  const { size } = faces;
  const canvases = faces.samples.map(({ sharp, low }) => {
    const canvas = document.createElement("canvas");
    canvas.width = size;
    canvas.height = 2 * size;
    const context = canvas.getContext("2d");
    context?.putImageData(new ImageData(new Uint8ClampedArray(sharp), size, size), 0, 0);
    context?.putImageData(new ImageData(new Uint8ClampedArray(low), size, size), 0, size);
    return canvas;
  });
  element("samples", HTMLElement).replaceChildren(...canvases);
  const lost = faces.unreadable === 0 ? "" : ` ${faces.unreadable} could not be read.`;
  say("faces-note", `${faces.train} faces to train on, ${faces.held} held-out people to measure on.${lost}`);
}

/** The table of what was measured, and a sentence that says what it means. */
export function showMeasured(measured: Measured): void {
  const table = element("table", HTMLTableElement);
  const [body] = table.tBodies;
  body?.replaceChildren(...measured.comparisons.map(rowOf));
  table.hidden = false;
  say(
    "result-note",
    `${verdictOf(measured)} ± is half the 95 % interval (bootstrap over ${measured.people} held-out people). ${percent(measured.sameBits)} % of the faces as given keep their embedding bit for bit.`,
  );
}

function rowOf({ what, frozen, adapted, difference }: Comparison): HTMLTableRowElement {
  const isShare = !what.includes("cosine");
  const number = ({ value, low, high }: Estimate): string => {
    const half = (high - low) / 2;
    return isShare ? `${percent(value)} ± ${percent(half)} %` : `${value.toFixed(3)} ± ${half.toFixed(3)}`;
  };
  const row = document.createElement("tr");
  for (const text of [what, number(frozen), number(adapted), number(difference)]) row.insertCell().textContent = text;
  return row;
}

const percent = (share: number): string => (100 * share).toFixed(1);
