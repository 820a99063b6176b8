import { ask, type Gallery, ServerError } from "./api.ts";
import { counted, h, section } from "./dom.ts";
import { jobCard, measureAfter } from "./job-card.ts";
import { type Folder, type Job, listJobs } from "./jobs.ts";
import { failed, say } from "./state.ts";

interface FolderFaces {
  readonly people: number;
  readonly images: number;
  readonly speed: { readonly imagesPerSecond: number; readonly from: string };
  /** What trainings of some lengths had of the longest one's gain, in per cent. */
  readonly lengths: {
    readonly longest: number;
    readonly measured: readonly { readonly images: number; readonly at16: readonly number[] }[];
  };
  readonly shownAs: readonly string[];
  readonly faces: readonly { readonly person: string; readonly images: readonly string[] }[];
}

/** A measurement of fewer people gives no verdict. */
const fewestPeople = 20;

/**
 * The part *Adapt*: train on a folder of faces, look at what it brought, take it into production.
 */
export function adaptView(gallery: Gallery): HTMLElement {
  const place = h("div", {});
  const jobs = h("div", {});
  const refresh = async (): Promise<void> => {
    try {
      const list = await listJobs();
      const cards = list.map((job) => jobCard(job, list, gallery, refresh));
      jobs.replaceChildren(
        section(
          "Trainings and measurements",
          ...(cards.length === 0
            ? [h("p", { class: "note" }, "Nothing was trained or measured yet.")]
            : [h("ul", { class: "jobs" }, ...cards)]),
        ),
      );
    } catch (error) {
      failed(error);
    }
  };
  const load = async (): Promise<void> => {
    try {
      await listJobs();
      const { folders } = await ask<{ folders: Folder[] }>("GET", "data");
      place.replaceChildren(folders.length === 0 ? noFolders() : startForm(gallery, folders, refresh));
      await refresh();
    } catch (error) {
      if (error instanceof ServerError && error.body.code === "no-jobs") place.replaceChildren(noJobs());
      else failed(error);
    }
  };
  void load();
  return h("div", {}, place, jobs);
}

/** What stands in the place of jobs where the server runs none. */
export const noJobs = (): HTMLElement =>
  section(
    "This server runs no jobs",
    h("p", {}, "To train and to measure from this page, start the server with two folders:"),
    h("p", {}, h("code", {}, "petalface serve --gallery people.db --open --jobs jobs --data faces")),
    h("p", { class: "note" }, "Each folder in faces is a set: a folder for each person, with that person's photos."),
  );

const noFolders = (): HTMLElement =>
  section(
    "No faces yet",
    h(
      "p",
      {},
      "The server's data folder is empty. Put a folder of faces there, with a folder for each person, and open this page again.",
    ),
  );

function startForm(gallery: Gallery, folders: readonly Folder[], changed: () => Promise<void>): HTMLElement {
  const options = (): HTMLElement[] =>
    folders.map(({ name, people }) => h("option", { value: name }, `${name} (${counted(people, "person")})`));
  const train = h("select", { id: "train" }, ...options());
  const measure = h("select", { id: "measure" }, ...options(), h("option", { value: "" }, "do not measure"));
  // Faces of other people, where there are any.
  measure.value = folders.length > 1 ? (folders[1]?.name ?? "") : (folders[0]?.name ?? "");
  const minutes = h("input", {
    type: "number",
    id: "minutes",
    min: 0.1,
    max: 100_000,
    step: "any",
    value: 10,
    required: true,
  });
  const expect = h("p", { class: "note", "aria-live": "polite" });
  const samples = h("div", { "aria-live": "polite" });
  let known: FolderFaces | undefined;
  const sayWhatToExpect = (): void => {
    expect.textContent = expectation(Number(minutes.value), measure.value, train.value, folders, known);
  };
  let turn = 0;
  const showSamples = async (): Promise<void> => {
    const own = ++turn;
    known = undefined;
    samples.replaceChildren(h("p", { class: "note" }, "Reading the faces"));
    try {
      const faces = await ask<FolderFaces>(
        "GET",
        `data/${encodeURIComponent(train.value)}?gallery=${encodeURIComponent(gallery.name)}`,
      );
      if (own !== turn) return;
      known = faces;
      samples.replaceChildren(...sampleTable(faces));
      sayWhatToExpect();
    } catch (error) {
      if (own === turn)
        samples.replaceChildren(h("p", { class: "bad" }, error instanceof Error ? error.message : String(error)));
    }
  };
  const start = async (): Promise<void> => {
    button.disabled = true;
    try {
      const { id } = await ask<Job>("POST", "jobs", {
        kind: "adapt",
        gallery: gallery.name,
        train: train.value,
        options: { minutes: Number(minutes.value) },
      });
      if (measure.value !== "") measureAfter.set(id, measure.value);
      say("The training was started");
      await changed();
    } catch (error) {
      failed(error);
    } finally {
      button.disabled = false;
    }
  };
  const button = h("button", { class: "main" }, "Start training");
  const form = h(
    "form",
    { class: "fields" },
    h("p", {}, "Model: ", h("strong", {}, gallery.model), " of the gallery ", h("strong", {}, gallery.name)),
    h("label", { for: "train" }, "Faces to train on"),
    train,
    h("label", { for: "measure" }, "Faces to measure it on"),
    measure,
    h("label", { for: "minutes" }, "Minutes for training"),
    minutes,
    button,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void start();
  });
  for (const field of [train, measure, minutes]) field.addEventListener("input", sayWhatToExpect);
  train.addEventListener("change", () => void showSamples());
  sayWhatToExpect();
  void showSamples();
  return section(
    "Adapt the model to your cameras",
    h(
      "p",
      {},
      "The model learns to recognise these people's faces at low resolution. Sharp faces keep their embeddings, so enrolled people stay enrolled.",
    ),
    form,
    expect,
    samples,
  );
}

function expectation(
  minutes: number,
  measure: string,
  train: string,
  folders: readonly Folder[],
  faces: FolderFaces | undefined,
): string {
  const people = folders.find(({ name }) => name === measure)?.people ?? 0;
  const parts: string[] = [];
  if (!(minutes > 0)) return "Say for how many minutes it may train.";
  if (faces !== undefined) {
    const { imagesPerSecond, from } = faces.speed;
    const seen = Math.round(60 * minutes * imagesPerSecond);
    const passes = seen / Math.max(1, faces.images);
    const how = from === "training" ? "as the last training was" : "as far as the model's speed says";
    parts.push(
      `About ${seen.toLocaleString("en")} training images, ${passes.toPrecision(2)} passes over the ${faces.images.toLocaleString("en")} photos, ${how}.`,
      gainOf(seen, faces.lengths),
    );
  }
  if (measure === "") parts.push("Nothing is measured, so nothing will say what it brought.");
  else {
    if (measure === train)
      parts.push("It is measured on the faces that it was trained on, which flatters: give other people's faces.");
    if (people < fewestPeople)
      parts.push(`${counted(people, "person")} to measure on: too few for a verdict; give ${fewestPeople} at least.`);
    else parts.push("Measuring takes a few minutes more.");
  }
  return parts.join(" ");
}

/** What is known of the gain of so many training images. */
function gainOf(seen: number, { longest, measured }: FolderFaces["lengths"]): string {
  const number = (value: number): string => value.toLocaleString("en");
  const reached = measured.filter(({ images }) => images <= seen);
  if (seen > longest) return `That is more than in any measured training (${number(longest)}).`;
  if (reached.length === 0) {
    const fewest = Math.min(...measured.map(({ images }) => images));
    return `What so short a training gains was not measured: the shortest had ${number(fewest)} images.`;
  }
  const most = Math.max(...reached.map(({ images }) => images));
  const shares = reached.filter(({ images }) => images === most).map(({ at16: [share = 0] }) => share);
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  const range = low === high ? `${low} %` : `${low} to ${high} %`;
  return `On other networks and faces ${number(most)} images gave ${range} of the gain of ${number(longest)} (rank-1 at 16 px).`;
}

function sampleTable({ people, images, shownAs, faces }: FolderFaces): HTMLElement[] {
  return [
    h(
      "p",
      { class: "note" },
      `${counted(people, "person")}, ${counted(images, "photo")}. Some of them as the model sees them:`,
    ),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Sample faces" },
      h(
        "table",
        { class: "samples" },
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col" }, "person"), ...shownAs.map((how) => h("th", { scope: "col" }, how))),
        ),
        h(
          "tbody",
          {},
          ...faces.map(({ person, images: own }) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, person),
              ...own.map((image, at) =>
                h(
                  "td",
                  {},
                  h("img", {
                    src: `data:image/jpeg;base64,${image}`,
                    alt: `${person}, ${shownAs[at] ?? ""}`,
                    width: 96,
                    height: 96,
                  }),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  ];
}
