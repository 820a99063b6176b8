import { type ResultsPage, rowOf, tableOf, type Value, valueIn } from "./page.ts";

/** A method on a leaderboard, as a page of results has it. */
export interface Entry {
  readonly page: ResultsPage;
  readonly model: string;
  readonly method: string;
  /** Training images that it saw; `-` for none. */
  readonly images: string;
  /** Values by the board's columns; a measure may be missing. */
  readonly values: ReadonlyMap<string, Value | undefined>;
}

/** Methods that were measured on the same people with the same protocol. */
export interface Board {
  readonly title: string;
  /** What was measured, and on what; lines of at most 100 characters. */
  readonly about: readonly string[];
  readonly columns: readonly string[];
  /** The column that ranks; larger is better. */
  readonly rank: string;
  /** Pages of `bench/results` that it is made from. */
  readonly pages: readonly string[];
  /** What the pages must say alike for their rows to be comparable. */
  readonly ground?: RegExp;
  entries(page: ResultsPage): readonly Entry[];
}

const valuesOf = (cells: ReadonlyMap<string, string>, columns: readonly string[]): Entry["values"] =>
  new Map(columns.map((column) => [column, valueIn(cells.get(column) ?? "")]));

const facesColumns = ["rank-1 16", "rank-1 8", "mix 16", "mix 8", "rank-1 sharp"];

/** Names of networks, as pages or their sections give them. */
const networks: Readonly<Record<string, string>> = {
  mobilefacenet: "MobileFaceNet",
  edgeface_xs: "EdgeFace-XS",
  base: "with transformer blocks",
};

/** What a page adds to the names of its methods. */
const wordsOf: Readonly<Record<string, string>> = {
  mobilefacenet: ", shrinking",
  fr_feature: ", shrinking",
  base: ", shrinking",
  rivals: ", tuned",
  "rivals-edgeface": ", tuned",
};

/**
 * The tables of `bench -- faces`, and of what is measured as it is: where each method enrols the
 * gallery again, or where it is kept.
 */
const facesEntries =
  (isKept: boolean) =>
  (page: ResultsPage): Entry[] =>
    page.tables
      .filter(
        ({ columns, sections }) =>
          ["method", "images seen", "rank-1 16"].every((column) => columns.includes(column)) &&
          (sections[1] === "Gallery kept") === isKept,
      )
      .flatMap((table) =>
        table.rows
          .map((row) => rowOf(table, row))
          .map((row) => {
            const method = row.get("method") ?? "";
            const model = page.name === "base" ? page.name : (table.sections[0] ?? page.name);
            return {
              page,
              model: networks[model] ?? model,
              method: method === "frozen" ? method : `${method}${wordsOf[page.name] ?? ""}`,
              images: row.get("images seen") ?? "-",
              values: valuesOf(row, facesColumns),
            };
          }),
      );

const cameraColumns = ["still", "phone", "cctv", "night", "16", "12", "8", "sharp"];

/** Copies of weight w in the gallery; none at 0. */
const withCopies = (method: string, weight: string): string =>
  weight === "0" ? method : `${method}; copies, w ${weight}`;

function cameraEntries(page: ResultsPage): Entry[] {
  const table = tableOf(page, ["Rank-1"], ["method", "w", "still"]);
  return table.rows
    .map((row) => rowOf(table, row))
    .map((row) => ({
      page,
      model: row.get("model") ?? "",
      method: withCopies(row.get("method") ?? "", row.get("w") ?? ""),
      images: row.get("images") ?? "-",
      values: valuesOf(row, cameraColumns),
    }));
}

const copiesColumns = ["rank-1 16", "rank-1 12", "rank-1 8", "rank-1 sharp"];

function copiesEntries(page: ResultsPage): Entry[] {
  return page.tables
    .filter(({ columns }) => columns.includes("w") && columns.includes("rank-1 16"))
    .flatMap((table) => {
      const [model = "", method = ""] = (table.sections[0] ?? "").split(", ");
      return table.rows.map((row) => {
        const cells = rowOf(table, row);
        const images = method === "frozen" ? "-" : "4,800";
        return {
          page,
          model,
          images,
          method: withCopies(method, cells.get("w") ?? ""),
          values: valuesOf(cells, copiesColumns),
        };
      });
    });
}

const resolutions = ["sharp", "16 px", "12 px", "8 px"];

function decisionEntries(page: ResultsPage): Entry[] {
  return page.tables
    .filter(({ columns, sections }) => columns.includes("DIR at FPIR 1 %") && sections[1] === "Strangers")
    .map((table) => {
      const [model = "", method = ""] = (table.sections[0] ?? "").split(", ");
      const rows = new Map(table.rows.map((row) => [row[0] ?? "", rowOf(table, row).get("DIR at FPIR 1 %") ?? ""]));
      return {
        page,
        model,
        method: method === "adapted" ? "petal" : method,
        images: method === "frozen" ? "-" : "4,800",
        values: valuesOf(rows, resolutions),
      };
    });
}

export const boards: readonly Board[] = [
  {
    title: "Cameras",
    about: [
      "Rank-1 of probes of a camera chain that is independent of petalface's code: 174 people of LFW",
      "enrolled with one photo each, 522 probes. The columns 16, 12 and 8 are the same photos, shrunk to",
      "as many pixels. One seed. Centred adapters were not measured on shrunk photos.",
    ],
    columns: cameraColumns,
    rank: "still",
    pages: ["camera"],
    entries: cameraEntries,
  },
  {
    title: "Shrunk faces of LFW",
    about: [
      "LFW's folds 1, 2 and 3, aligned: 900 genuine and 900 impostor pairs, 1,079 probes in a gallery of",
      "1,241 people. Training saw other people. _rank-1 k_: probes shrunk to k x k pixels. _mix k_:",
      "accuracy of pairs of a sharp face and one of k x k pixels. Each method enrols the gallery again.",
      "_tuned_: rate and share of sharp images were searched for each method alike; trained on the",
      "default's mixture of cameras and shrinking. _shrinking_: trained on shrinking alone, with the",
      "options of before November 2026; only petal was tuned, and the synthetic row is somewhat",
      "optimistic. These rows are the mean of three seeds, with the interval of one: mobilefacenet with",
      "9,600 images, EdgeFace-XS with 4,800, fr_feature and base. Others have one seed. The network with",
      "transformer blocks is made from MobileFaceNet; _int8_ and _float32_ are the frozen weights in",
      "training.",
    ],
    columns: facesColumns,
    rank: "rank-1 16",
    pages: ["faces", "rivals-edgeface", "rivals", "mobilefacenet", "fr_feature", "base"],
    ground: /^lfw112_pairs\.txt, folds.*$/m,
    entries: facesEntries(false),
  },
  {
    title: "Shrunk faces of LFW, gallery kept",
    about: [
      "The same people and pairs. The frozen model has enrolled the gallery, as where stored embeddings",
      "stay; each method embeds the probes.",
    ],
    columns: facesColumns,
    rank: "rank-1 16",
    pages: ["faces", "rivals-edgeface", "rivals"],
    ground: /^lfw112_pairs\.txt, folds.*$/m,
    entries: facesEntries(true),
  },
  {
    title: "Galleries with copies",
    about: [
      "LFW's fold 6: 437 probes in a gallery of 407 people. Each photo is enrolled with copies of 16 and",
      "12 px, of weight w. _alpha_: the weight is 1 - alpha of the probe. Options were chosen on this",
      "fold, so the values are somewhat optimistic. One seed.",
    ],
    columns: copiesColumns,
    rank: "rank-1 16",
    pages: ["copies"],
    entries: copiesEntries,
  },
  {
    title: "Strangers",
    about: [
      "The share of enrolled people who are found (DIR), at a threshold that accepts 1 % of 1,000",
      "strangers. 1,241 people of LFW's folds 1, 2 and 3 are enrolled with copies of 16 and 12 px. One",
      "seed.",
    ],
    columns: resolutions,
    rank: "16 px",
    pages: ["decisions"],
    entries: decisionEntries,
  },
];
