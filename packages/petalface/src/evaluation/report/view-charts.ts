import { itemAt } from "onnx-grad";
import { degradationLabel } from "../results/condition.ts";
import { draw } from "./draw.ts";
import { type Html, html } from "./html.ts";
import type { Section } from "./sections.ts";
import { type EmbeddingView, placeInPlane, similarityTable, type ViewedFaces } from "./views.ts";

/** People beyond these share colours and differ by shape. */
const colours = [0, 1, 2, 3, 4, 5, 6, 7].map((place) => `var(--p${place})`);
const shapes = ["circle", "square", "triangle-up", "diamond"];

/**
 * What models make of some faces: maps in the plane, and similarities of galleries as given and
 * degraded probes. Undefined without faces.
 */
export async function viewSection(view: EmbeddingView | undefined): Promise<Section | undefined> {
  if (view === undefined || view.models.length === 0) return undefined;
  const maps = await Promise.all(
    view.models.map(
      async (model) => html`<figure><p class="figure-title">${model.name}</p>${await mapChart(view, model)}</figure>`,
    ),
  );
  const heats = await Promise.all(
    view.models.map(
      async (model) => html`<figure><p class="figure-title">${model.name}</p>${await heatChart(view, model)}</figure>`,
    ),
  );
  const degraded = view.degradation.find((degradation) => degradation !== null);
  const shown = degraded === undefined ? "" : ` and at ${degradationLabel(degraded ?? "")}`;
  return {
    id: "views",
    title: "Embeddings",
    content: html`<h3>Map of ${view.people.length} people</h3>
<ul class="legend">${view.people.map((name, person) => html`<li><i class="${shapes[Math.floor(person / colours.length) % shapes.length] ?? ""}" style="background:${colours[person % colours.length] ?? ""}"></i>${name}</li>`)}</ul>
<div class="panels two">${maps}</div>
<p class="note">Each face as given (filled)${shown}${degraded === undefined ? "" : " (hollow)"}, placed by UMAP on cosine distance so that neighbours stay neighbours. Axes and distances between groups mean nothing.</p>
<h3>Similarities</h3><div class="panels two heat">${heats}</div>
<p class="note">Cosines: rows are probes${degraded === undefined ? "" : ` at ${degradationLabel(degraded ?? "")}`}, columns the gallery as given, both person by person; on the diagonal is the same person.</p>`,
  };
}

async function mapChart(view: EmbeddingView, model: ViewedFaces): Promise<Html> {
  const places = await placeInPlane(model.data, model.width);
  const values = places.map(([x, y], face) => ({
    x,
    y,
    person: view.person[face],
    sharp: view.degradation[face] === null,
  }));
  const people = view.people.map((_, person) => person);
  const axis = { type: "quantitative", axis: null, scale: { zero: false, nice: false, padding: 8 } };
  const color = {
    field: "person",
    type: "nominal",
    legend: null,
    scale: { domain: people, range: people.map((person) => colours[person % colours.length]) },
  };
  const shape = {
    field: "person",
    type: "nominal",
    legend: null,
    scale: {
      domain: people,
      range: people.map((person) => shapes[Math.floor(person / colours.length) % shapes.length]),
    },
  };
  const encoding = { x: { field: "x", ...axis }, y: { field: "y", ...axis }, color, shape };
  return draw({
    width: 420,
    height: 340,
    view: { stroke: "var(--line)", cornerRadius: 10 },
    data: { values },
    layer: [
      {
        transform: [{ filter: "datum.sharp" }],
        mark: { type: "point", filled: true, size: 64, opacity: 0.9 },
        encoding,
      },
      {
        transform: [{ filter: "!datum.sharp" }],
        mark: { type: "point", filled: false, size: 56, strokeWidth: 1.6, opacity: 0.95 },
        encoding,
      },
    ],
  });
}

function heatChart(view: EmbeddingView, model: ViewedFaces): Promise<Html> {
  const faces = [...view.person.keys()].sort((a, b) => itemAt(view.person, a) - itemAt(view.person, b) || a - b);
  const gallery = faces.filter((face) => view.degradation[face] === null);
  const degraded = faces.filter((face) => view.degradation[face] !== null);
  const probes = degraded.length > 0 ? degraded : gallery;
  const values = similarityTable(model, probes, gallery).flatMap((row, probe) =>
    row.map((score, face) => ({ probe, face, score })),
  );
  const side = 420;
  const axis = { type: "ordinal", axis: null, scale: { padding: 0 } };
  return draw({
    width: side,
    height: Math.round((side * probes.length) / gallery.length),
    data: { values },
    mark: { type: "rect", strokeWidth: 0 },
    encoding: {
      x: { field: "face", ...axis },
      y: { field: "probe", ...axis },
      color: {
        field: "score",
        type: "quantitative",
        scale: { domain: [-0.2, 1], clamp: true, scheme: "viridis" },
        legend: {
          title: "cosine",
          orient: "bottom",
          gradientLength: 160,
          gradientThickness: 9,
          tickCount: 4,
          labelColor: "var(--soft)",
          titleColor: "var(--soft)",
          titleFontWeight: 400,
        },
      },
    },
  });
}
