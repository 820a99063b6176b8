import { proxy, type Remote, wrap } from "comlink";
import type { StepReport } from "../work/train.ts";
import type { Work } from "../work/work.ts";
import { type LossChart, lossChart } from "./chart.ts";
import { element, save, say } from "./elements.ts";
import { showFaces, showMeasured } from "./show.ts";
import "./style.css";

/** People that are drawn where there are no pictures: to train on, and to measure on. */
const synthetic = { people: 300, held: 100 } as const;

const work: Remote<Work> = wrap<Work>(new Worker(new URL("../work/worker.ts", import.meta.url), { type: "module" }));
const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const pictures = element("pictures", HTMLInputElement);
const drop = element("drop", HTMLElement);

/** Lets only these be pressed. */
function allow(...ids: string[]): void {
  for (const id of ["synthetic", "start", "stop", "save-model", "save-adapter"])
    button(id).disabled = !ids.includes(id);
  pictures.disabled = !ids.includes("synthetic");
}

/**
 * Runs what a button asks for; errors are shown in the note next to it, and the buttons of `after`
 * can be pressed again.
 */
async function attempt(note: string, after: readonly string[], task: () => Promise<readonly string[]>): Promise<void> {
  allow();
  try {
    allow(...(await task()));
  } catch (error) {
    say(note, error instanceof Error ? error.message : String(error), true);
    allow(...after);
  }
}

const chosen = ["synthetic", "start"];
const trained = [...chosen, "save-model", "save-adapter"];

/**
 * Runs a task of the worker, whose progress is noted until it ends. Progress comes through a
 * channel of its own: the last of it can arrive after the result, or after an error.
 */
async function whileNoting<P, T>(note: (progress: P) => void, task: (note: (progress: P) => void) => Promise<T>) {
  let ended = false;
  try {
    return await task((progress) => {
      if (!ended) note(progress);
    });
  } finally {
    ended = true;
  }
}

function readPictures(files: readonly File[]): Promise<void> {
  return attempt("faces-note", ["synthetic"], async () => {
    const note = (done: number) => say("faces-note", `reading ${done} of ${files.length} pictures`);
    showFaces(await whileNoting(note, (noted) => work.readPictures(files, proxy(noted))));
    return chosen;
  });
}

/** The chart of the last training. */
let chart: LossChart | undefined;

async function train(): Promise<readonly string[]> {
  const steps = element("steps", HTMLInputElement);
  if (!steps.checkValidity() || steps.value === "") throw new Error(`steps: a whole number from 1 to ${steps.max}`);
  const total = Number(steps.value);
  const progress = element("progress", HTMLProgressElement);
  chart?.remove();
  const growing = lossChart(element("chart", HTMLElement));
  chart = growing;
  progress.hidden = false;
  progress.value = 0;
  say("train-note", "loading the training graph");
  allow("stop");
  const started = performance.now();
  const note = ({ step, loss, alpha }: StepReport): void => {
    const each = (performance.now() - started) / 1000 / step;
    const left = step < total ? `${Math.ceil(each * (total - step))} s left` : "measuring on the held-out people";
    say("train-note", `step ${step} of ${total}, loss ${loss.toFixed(3)}, mean alpha ${alpha.toFixed(2)}, ${left}`);
  };
  const {
    steps: done,
    seconds,
    measured,
  } = await whileNoting(note, (noted) =>
    work.train(
      total,
      proxy((step) => {
        growing.add(step.step, step.loss);
        progress.value = step.step / total;
        noted(step);
      }),
    ),
  );
  say("train-note", `${done} steps in ${seconds.toFixed(0)} s`);
  showMeasured(measured);
  return trained;
}

button("synthetic").addEventListener("click", () =>
  attempt("faces-note", ["synthetic"], async () => {
    say("faces-note", "drawing people");
    showFaces(await work.drawPeople(synthetic.people, synthetic.held));
    return chosen;
  }),
);
button("start").addEventListener("click", () => attempt("train-note", chosen, train));
button("stop").addEventListener("click", () => work.stop());
button("save-model").addEventListener("click", () =>
  attempt("result-note", trained, async () => {
    save((await work.files()).model, "face.onnx");
    return trained;
  }),
);
button("save-adapter").addEventListener("click", () =>
  attempt("result-note", trained, async () => {
    save((await work.files()).adapter, "adapter.zip");
    return trained;
  }),
);
pictures.addEventListener("change", () => void readPictures([...(pictures.files ?? [])]));
for (const name of ["dragover", "dragleave", "drop"] as const)
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && !pictures.disabled) void readPictures([...(event.dataTransfer?.files ?? [])]);
  });

await attempt("model", [], async () => {
  const wanted = new URLSearchParams(location.search).get("provider");
  const { plan, provider } = await work.open(
    new URL(".", location.href).href,
    wanted === "webgpu" || wanted === "wasm" ? wanted : "auto",
  );
  const { name, parameters, size } = plan.model;
  say(
    "model",
    `${name}: ${parameters.toLocaleString("en")} frozen weights, ${plan.trained.toLocaleString("en")} to train, faces of ${size} px; computing with ${provider}.`,
  );
  return ["synthetic"];
});
