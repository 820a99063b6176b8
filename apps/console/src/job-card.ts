import { ask, type Gallery } from "./api.ts";
import { confirmWith, counted, h, svg } from "./dom.ts";
import { type Folder, followJob, isOver, type Job, nameOf, parseProgress, timeOf } from "./jobs.ts";
import { failed, say } from "./state.ts";

/** Products that a model can be made for, and what people call them. */
const targets: Readonly<Record<string, string>> = {
  onnx: "one ONNX file",
  insightface: "InsightFace",
  immich: "Immich",
  frigate: "Frigate",
  opencv: "OpenCV",
  "insightface-rest": "InsightFace-REST",
  triton: "Triton",
  deepstream: "DeepStream",
};

const states: Readonly<Record<Job["state"], string>> = {
  waiting: "waits until the job before it is over",
  running: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
  interrupted: "interrupted: the server was stopped",
};

/** Folders to measure trainings of this page on, once these are done. */
export const measureAfter = new Map<string, string>();

/** Losses that are drawn, the last ones. */
const mostLosses = 400;

/**
 * One job: how far it is, and what to do with it.
 *
 * @param changed is called when the list is no longer right
 */
export function jobCard(job: Job, all: readonly Job[], gallery: Gallery, changed: () => Promise<void>): HTMLElement {
  const state = h("span", { class: `state ${job.state}` }, states[job.state]);
  const body = h("div", {});
  const card = h(
    "li",
    { class: "job" },
    h("h3", {}, nameOf(job), h("span", { class: "note" }, ` ${timeOf(job)}, `), state),
    body,
  );
  if (job.message !== null) body.append(h("p", { class: "bad" }, job.message));
  if (!isOver(job)) body.append(...progressOf(job, changed));
  else if (job.kind === "adapt") body.append(...afterTraining(job, all, gallery, changed));
  else if (job.kind === "evaluate" && job.state === "done") body.append(...reportOf(job));
  else if (job.kind === "export" && job.state === "done") void showFiles(job, body);
  else if (job.kind === "migrate" && job.state === "done")
    body.append(h("p", {}, "The gallery has the adapter's embeddings now. Restart the server to use it."));
  return card;
}

/** Sends a request, says what came of it, and reads the list again. */
async function act(path: string, text: string, changed: () => Promise<void>, body?: object): Promise<void> {
  try {
    await ask("POST", path, body ?? {});
    say(text);
    await changed();
  } catch (error) {
    failed(error);
  }
}

function progressOf(job: Job, changed: () => Promise<void>): HTMLElement[] {
  const bar = h("progress", { max: 1, "aria-label": `Progress of ${nameOf(job)}` });
  const line = h("p", { class: "note" }, "Starting");
  const numbers = h("dl", { class: "numbers" });
  const chart = h("div", {});
  const losses: number[] = [];
  const stop = followJob(
    job.id,
    (text) => {
      if (!bar.isConnected) return stop();
      const { share, rate, left, loss } = parseProgress(text);
      line.textContent = text;
      if (share !== undefined) bar.value = share;
      else bar.removeAttribute("value");
      if (loss !== undefined) {
        losses.push(loss);
        if (losses.length > mostLosses) losses.shift();
        if (losses.length > 1) chart.replaceChildren(lossChart(losses));
      }
      const known = [
        ["Loss", loss?.toFixed(3)],
        ["A second", rate],
        ["Time left", left],
      ] as const;
      numbers.replaceChildren(
        ...known.flatMap(([name, value]) =>
          value === undefined ? [] : [h("div", {}, h("dt", {}, name), h("dd", {}, value))],
        ),
      );
    },
    (state) => {
      if (state === "running" || state === "waiting") return;
      say(`${nameOf(job)}: ${states[state as Job["state"]]}`);
      const data = measureAfter.get(job.id);
      measureAfter.delete(job.id);
      if (state === "done" && data !== undefined)
        void act("jobs", "The training is done; now it is measured", changed, measurement(job, data));
      else void changed();
    },
  );
  const cancel = h(
    "button",
    {
      type: "button",
      onclick: () => void act(`jobs/${encodeURIComponent(job.id)}/cancel`, "It is being cancelled", changed),
    },
    "Cancel",
  );
  return [bar, numbers, chart, line, cancel];
}

const measurement = (job: Job, data: string): object => ({
  kind: "evaluate",
  run: job.id,
  data,
  protocol: "drawn",
  ...(typeof job.request.gallery === "string" && { gallery: job.request.gallery }),
  degrade: ["lr:16", "lr:12"],
});

function afterTraining(job: Job, all: readonly Job[], gallery: Gallery, changed: () => Promise<void>): HTMLElement[] {
  if (job.state !== "done")
    return [
      h(
        "button",
        {
          type: "button",
          onclick: () => void act(`jobs/${encodeURIComponent(job.id)}/resume`, "The training continues", changed),
        },
        "Continue the training",
      ),
    ];
  const measured = all.some(
    ({ kind, request, state }) => kind === "evaluate" && request.run === job.id && state === "done",
  );
  return [
    measureForm(job, changed),
    measured
      ? production(job, gallery, changed)
      : h("p", { class: "note" }, "Measure it before it goes into production."),
  ];
}

/** Adds the folders with photos that the server knows. */
async function addFolders(select: HTMLSelectElement): Promise<readonly Folder[]> {
  const { folders } = await ask<{ folders: Folder[] }>("GET", "data");
  select.append(
    ...folders.map(({ name, people }) => h("option", { value: name }, `${name} (${counted(people, "person")})`)),
  );
  return folders;
}

function measureForm(job: Job, changed: () => Promise<void>): HTMLElement {
  const id = `measure-${job.id}`;
  const select = h("select", { id });
  void addFolders(select).then((folders) => {
    const other = folders.find(({ name }) => name !== job.request.train);
    if (other !== undefined) select.value = other.name;
  }, failed);
  const form = h(
    "form",
    { class: "row" },
    h("label", { for: id }, "Measure it on"),
    select,
    h("button", {}, "Measure"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void act("jobs", "The measurement was started", changed, measurement(job, select.value));
  });
  return form;
}

function production(job: Job, gallery: Gallery, changed: () => Promise<void>): HTMLElement {
  const id = `target-${job.id}`;
  const select = h("select", { id }, ...Object.entries(targets).map(([value, text]) => h("option", { value }, text)));
  const form = h(
    "form",
    { class: "row" },
    h("label", { for: id }, "Take it into production as"),
    select,
    h("button", { class: "main" }, "Make the model"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = { kind: "export", run: job.id, target: select.value, gallery: gallery.name };
    void act("jobs", "The model is being made", changed, body);
  });
  const migrate = async (): Promise<void> => {
    const text = `The faces of ${gallery.name} get the embeddings of the adapted model. Until the server is restarted it answers no searches of this gallery.`;
    if (!(await confirmWith(`Change ${gallery.name} to this adapter?`, text, "Change it"))) return;
    const body = { kind: "migrate", run: job.id, gallery: gallery.name };
    const data = pictures.value === "" ? {} : { data: pictures.value };
    await act("jobs", "The gallery is being changed", changed, { ...body, ...data });
  };
  // Poor faces are embedded again, from the pictures that the gallery keeps or from a folder.
  const pictures = h("select", { id: `pictures-${job.id}` }, h("option", { value: "" }, "the gallery itself"));
  void addFolders(pictures).catch(failed);
  return h(
    "div",
    {},
    form,
    h(
      "div",
      { class: "row" },
      h("label", { for: pictures.id }, "Its photos come from"),
      pictures,
      h("button", { type: "button", onclick: () => void migrate() }, `Change the gallery ${gallery.name} to it`),
    ),
  );
}

function reportOf(job: Job): HTMLElement[] {
  const address = `./v1/jobs/${encodeURIComponent(job.id)}/report`;
  return [
    h("iframe", { src: address, title: `Report: ${nameOf(job)}`, class: "report", loading: "lazy" }),
    h("p", {}, h("a", { href: address, target: "_blank", rel: "noopener" }, "Open the report in a window of its own")),
  ];
}

async function showFiles(job: Job, place: HTMLElement): Promise<void> {
  try {
    const { files } = await ask<{ files: { path: string; bytes: number }[] }>(
      "GET",
      `jobs/${encodeURIComponent(job.id)}/files`,
    );
    place.append(
      h(
        "ul",
        {},
        ...files.map(({ path, bytes }) =>
          h(
            "li",
            {},
            h(
              "a",
              { href: `./v1/jobs/${encodeURIComponent(job.id)}/file?path=${encodeURIComponent(path)}`, download: true },
              path,
            ),
            ` ${(bytes / 1e6).toFixed(1)} MB`,
          ),
        ),
      ),
    );
  } catch (error) {
    failed(error);
  }
}

/** Losses of a training as a line; the newest at the right. */
function lossChart(losses: readonly number[]): SVGElement {
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const y = (loss: number): number => 38 - (36 * (loss - low)) / (high - low || 1);
  const x = (at: number): number => (100 * at) / Math.max(1, losses.length - 1);
  const points = losses.map((loss, at) => `${x(at).toFixed(2)},${y(loss).toFixed(2)}`).join(" ");
  return svg(
    "svg",
    {
      viewBox: "0 0 100 40",
      preserveAspectRatio: "none",
      role: "img",
      class: "loss",
      "aria-label": `loss from ${losses[0] ?? 0} to ${losses.at(-1) ?? 0}`,
    },
    svg("polyline", { points, "vector-effect": "non-scaling-stroke" }),
  );
}
