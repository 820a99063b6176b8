import { type ResultsTable, readResults, rowOf, tableOf, type Value, valueIn } from "../results/page.ts";
import { barChart, type Chart, lineChart, type Series } from "./charts.ts";
import { colours } from "./svg.ts";

/** Colours that people with colour blindness can tell apart. */
const blue = "#0b62b0";
const orange = "#b35900";
const green = "#1a7f5a";

/** A row of a table whose cells begin so. */
function pointsOf(table: ResultsTable, wanted: Readonly<Record<string, string>>, columns: readonly string[]): Value[] {
  const row = table.rows
    .map((each) => rowOf(table, each))
    .find((each) => Object.entries(wanted).every(([column, cell]) => each.get(column) === cell));
  return columns.map((column) => {
    const value = valueIn(row?.get(column) ?? "");
    if (value === undefined) throw new Error(`no value ${column} of ${JSON.stringify(wanted)}`);
    return value;
  });
}

/** Rank-1 on cameras: what training and what copies gain. */
function cameras(): Chart {
  const page = readResults("camera");
  const table = tableOf(page, ["Rank-1"], ["method", "w", "still"]);
  const columns = ["still", "phone", "cctv", "night"];
  const series = [
    { name: "frozen", colour: colours.frozen, method: "frozen", w: "0" },
    { name: "frozen, copies enrolled", colour: "#9aa4ae", method: "frozen", w: "0.5" },
    { name: "adapted", colour: colours.adapter, method: "petal", w: "0" },
    { name: "adapted, copies enrolled", colour: blue, method: "petal", w: "0.5" },
  ].map(({ name, colour, method, w }): Series => ({ name, colour, points: pointsOf(table, { method, w }, columns) }));
  return {
    title: "Rank-1 of faces of 10 to 32 px from simulated cameras",
    note: `Per cent, 522 probes in a gallery of 174; lines: 95 % intervals. edgeface_xxs, ${page.made.date}, one seed.`,
    places: ["JPEG, 12 to 20 px", "phone", "dome camera", "night"],
    series,
  };
}

/** Rank-1 over the resolution of the probes, of methods that were tuned alike. */
function resolutions(): Chart {
  const page = readResults("rivals");
  const table = tableOf(page, ["mobilefacenet", "Gallery kept"], ["method", "rank-1 16"]);
  const columns = ["rank-1 sharp", "rank-1 16", "rank-1 12", "rank-1 8"];
  const series = [
    { name: "frozen", colour: colours.frozen, method: "frozen" },
    { name: "petal", colour: colours.adapter, method: "petal" },
    { name: "paper", colour: blue, method: "paper" },
    { name: "lora", colour: green, method: "lora" },
    { name: "full", colour: orange, method: "full" },
  ].map(({ name, colour, method }): Series => ({ name, colour, points: pointsOf(table, { method }, columns) }));
  return {
    title: "Rank-1 over the resolution of the probe, gallery kept",
    note: `Per cent, 1,079 probes in a gallery of 1,241; lines: 95 % intervals. MobileFaceNet, ${page.made.date}, one seed.`,
    places: ["sharp", "16 px", "12 px", "8 px"],
    series,
  };
}

/** Rank-1 over the weight of the enrolled copies. */
function copies(): Chart {
  const page = readResults("copies");
  const weights = ["0", "0.25", "0.5", "1"];
  const of = (section: string, column: string): Value[] => {
    const table = tableOf(page, [section], ["w", column]);
    return weights.flatMap((w) => pointsOf(table, { w }, [column]));
  };
  const frozen = "mobilefacenet, frozen";
  const petal = "mobilefacenet, petal";
  return {
    title: "Rank-1 over the weight of enrolled copies",
    note: `Per cent, 437 probes in a gallery of 407; lines: 95 % intervals. MobileFaceNet, ${page.made.date}, one seed.`,
    places: weights.map((weight) => `w = ${weight}`),
    series: [
      { name: "adapted, sharp", colour: blue, points: of(petal, "rank-1 sharp") },
      { name: "frozen, sharp", colour: green, points: of(frozen, "rank-1 sharp") },
      { name: "adapted, 16 px", colour: colours.adapter, points: of(petal, "rank-1 16") },
      { name: "adapted, 12 px", colour: orange, points: of(petal, "rank-1 12") },
      { name: "frozen, 16 px", colour: colours.frozen, points: of(frozen, "rank-1 16") },
    ],
  };
}

/** Charts of `bench/results`, by their file names in `docs/figures`. */
export const resultFigures = (): Readonly<Record<string, string>> => ({
  cameras: barChart(cameras()),
  resolutions: lineChart(resolutions()),
  copies: lineChart(copies()),
});
