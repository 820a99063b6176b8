import { noJobs } from "./adapt.ts";
import { ask, ServerError } from "./api.ts";
import { counted, h, section, svg } from "./dom.ts";
import { type Job, listJobs, timeOf } from "./jobs.ts";
import { failed } from "./state.ts";

interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

type Points = readonly (readonly [number, number])[];

interface Comparison {
  readonly people: number;
  readonly rows: readonly {
    readonly key: string;
    readonly label: string;
    readonly before: Estimate | null;
    readonly after: Estimate | null;
    readonly difference: Estimate;
    readonly verdict: string;
  }[];
  readonly curves: readonly { readonly label: string; readonly before: Points; readonly after: Points }[];
}

/** The part *Measure*: two results side by side, with intervals and ROC curves. */
export function measureView(): HTMLElement {
  const place = h("div", {}, h("p", { class: "note" }, "Reading the measurements"));
  const load = async (): Promise<void> => {
    try {
      const jobs = (await listJobs()).filter(({ kind, state }) => kind === "evaluate" && state === "done");
      place.replaceChildren(jobs.length === 0 ? nothing() : chooser(jobs));
    } catch (error) {
      if (error instanceof ServerError && error.body.code === "no-jobs") place.replaceChildren(noJobs());
      else failed(error);
    }
  };
  void load();
  return place;
}

const nothing = (): HTMLElement =>
  section(
    "Nothing was measured yet",
    h("p", {}, "Train and measure an adapter first: ", h("a", { href: "#adapt" }, "Adapt"), "."),
  );

function chooser(jobs: readonly Job[]): HTMLElement {
  const options = (): HTMLElement[] =>
    jobs.flatMap((job) =>
      (job.request.run === undefined ? ["frozen"] : ["frozen", "adapted"]).map((model) =>
        h("option", { value: `${job.id}/${model}` }, `${model}, on ${String(job.request.data)}, ${timeOf(job)}`),
      ),
    );
  const [before, after] = [h("select", { id: "before" }, ...options()), h("select", { id: "after" }, ...options())];
  const newest = jobs.find(({ request }) => request.run !== undefined) ?? jobs[0];
  if (newest !== undefined) {
    before.value = `${newest.id}/frozen`;
    after.value = newest.request.run === undefined ? before.value : `${newest.id}/adapted`;
  }
  const result = h("div", { "aria-live": "polite", "aria-busy": "false" });
  let turn = 0;
  const compare = async (): Promise<void> => {
    const own = ++turn;
    result.setAttribute("aria-busy", "true");
    result.replaceChildren(h("p", { class: "note" }, "Comparing"));
    try {
      const query = new URLSearchParams({ before: before.value, after: after.value });
      const found = await ask<Comparison>("GET", `comparison?${query}`);
      if (own === turn) result.replaceChildren(...show(found));
    } catch (error) {
      if (own === turn)
        result.replaceChildren(h("p", { class: "bad" }, error instanceof Error ? error.message : String(error)));
    } finally {
      if (own === turn) result.setAttribute("aria-busy", "false");
    }
  };
  for (const select of [before, after]) select.addEventListener("change", () => void compare());
  void compare();
  return section(
    "Compare two measurements",
    h(
      "form",
      { class: "fields" },
      h("label", { for: "before" }, "Before"),
      before,
      h("label", { for: "after" }, "After"),
      after,
    ),
    result,
  );
}

const percent = (share: number): string => (100 * share).toFixed(1);
const points = (share: number): string =>
  `${share > 0 ? "+" : ""}${percent(share)}`.replace("-", "\u2212").replace(/^\+0\.0$/, "0.0");
const cell = (estimate: Estimate | null): HTMLElement =>
  estimate === null
    ? h("td", {}, "\u2013")
    : h("td", {}, percent(estimate.value), h("small", {}, `${percent(estimate.low)} to ${percent(estimate.high)}`));

function show({ people, rows, curves }: Comparison): HTMLElement[] {
  const better = rows.filter(({ verdict }) => verdict === "better").length;
  const worse = rows.filter(({ verdict }) => verdict === "worse").length;
  const table = h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Measures" },
    h(
      "table",
      { class: "measures" },
      h("caption", {}, `Per cent, with 95 % intervals over ${counted(people, "person")}`),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["measure", "before", "after", "difference", "verdict"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        ...rows.map(({ label, before, after, difference, verdict }) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, label),
            cell(before),
            cell(after),
            h(
              "td",
              {},
              points(difference.value),
              h("small", {}, `${points(difference.low)} to ${points(difference.high)}`),
            ),
            h("td", { class: verdict === "better" ? "good" : verdict === "worse" ? "bad" : "" }, verdict),
          ),
        ),
      ),
    ),
  );
  const verdict = `${better} of ${rows.length} measures are better, ${worse} are worse; the others do not differ beyond chance.`;
  return [
    h("p", { class: "verdict" }, verdict),
    ...(curves.length === 0 ? [] : [h("h3", {}, "ROC"), legend(), h("div", { class: "curves" }, ...curves.map(curve))]),
    h("h3", {}, "Measures"),
    table,
  ];
}

const legend = (): HTMLElement =>
  h(
    "p",
    { class: "legend" },
    h("span", { class: "key before" }),
    "before ",
    h("span", { class: "key after" }),
    "after",
  );

/** False accept rates of the horizontal axis, which is logarithmic. */
const leastRate = 1e-3;

function curve({ label, before, after }: Comparison["curves"][number]): HTMLElement {
  const x = (far: number): number => 100 * (1 - Math.log10(Math.max(far, leastRate)) / Math.log10(leastRate));
  const path = (list: Points): string => {
    let text = "";
    let last = 0;
    for (const [far, tar] of list) {
      const at = `${x(far).toFixed(2)},${(100 - 100 * tar).toFixed(2)}`;
      // Steps: a rate holds until the next one.
      text += text === "" ? `M${at}` : `L${x(far).toFixed(2)},${(100 - 100 * last).toFixed(2)}L${at}`;
      last = tar;
    }
    return text;
  };
  const at = (list: Points): string => percent(list.findLast(([far]) => far <= 0.01)?.[1] ?? 0);
  return h(
    "figure",
    {},
    svg(
      "svg",
      {
        viewBox: "0 0 100 100",
        preserveAspectRatio: "none",
        role: "img",
        class: "roc",
        "aria-label": `ROC, ${label}: at 1 % false accepts ${at(before)} % true accepts before, ${at(after)} % after`,
      },
      ...[25, 50, 75].map((line) => svg("path", { class: "grid", d: `M0,${line}H100` })),
      ...[1e-2, 1e-1].map((far) => svg("path", { class: "grid", d: `M${x(far)},0V100` })),
      svg("path", { class: "before", d: path(before) }),
      svg("path", { class: "after", d: path(after) }),
    ),
    h(
      "div",
      { class: "axis", "aria-hidden": "true" },
      ...["0.1 %", "1 %", "10 %", "100 %"].map((text) => h("span", {}, text)),
    ),
    h("figcaption", {}, `${label}: true accepts over false accepts`),
  );
}
