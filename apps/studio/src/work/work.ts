import { fromPlanes } from "petalface/portable";
import type { StudioPlan } from "../plan.ts";
import { fitAlpha } from "./alpha.ts";
import { hasWebGpu, openRun, type Provider, setUpEngine } from "./engine.ts";
import { drawPeople, type Faces, loadFaceSpace, planesOf, readPictures } from "./faces.ts";
import { type Measured, measure } from "./measure.ts";
import { type AlphaRange, adapterArchive, deployedModel, withAlpha } from "./result.ts";
import { type StepReport, train } from "./train.ts";

/** What the page shows of the faces: how many, and a few of them as RGBA, sharp and at 16 px. */
export interface FacesShown {
  readonly train: number;
  readonly held: number;
  readonly unreadable: number;
  readonly size: number;
  readonly samples: readonly { readonly sharp: Uint8ClampedArray; readonly low: Uint8ClampedArray }[];
}

/** The end of a training. */
export interface Trained {
  readonly steps: number;
  readonly seconds: number;
  readonly measured: Measured;
}

/** The page's worker, as the page calls it. */
export type Work = ReturnType<typeof createWork>;

const shown = 8;
const shownPixels = 16;

/**
 * Everything that takes long, off the page's thread: faces, training, measurement, files. Holds one
 * model and one set of faces.
 */
export function createWork() {
  let base = "";
  let plan: StudioPlan | undefined;
  let provider: Provider = "wasm";
  let faces: Faces | undefined;
  let result:
    | { readonly theta: Float32Array; readonly range: AlphaRange; readonly model: Uint8Array<ArrayBuffer> }
    | undefined;
  let stopped = false;

  const opened = (): StudioPlan => plan ?? fail("the page has not loaded its model yet");
  const load = async (name: string): Promise<Uint8Array> => {
    const response = await fetch(new URL(name, base));
    if (!response.ok) throw new Error(`${name} is missing next to the page (${response.status})`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const text = async (name: string): Promise<string> => new TextDecoder().decode(await load(name));
  const fitted = async (chosen: Faces): Promise<AlphaRange> => {
    const quality = await openRun(await load("quality.onnx"), provider);
    try {
      return await fitAlpha(opened(), chosen.train, quality.run);
    } finally {
      await quality.close();
    }
  };

  const show = (chosen: Faces): FacesShown => {
    const { size } = opened().model;
    faces = chosen;
    return {
      train: chosen.train.length,
      held: chosen.held.length,
      unreadable: chosen.unreadable,
      size,
      samples: chosen.train.slice(0, shown).map((pixels) => ({
        sharp: rgba(planesOf([{ pixels }], size)),
        low: rgba(planesOf([{ pixels, degrade: { kind: "lr", pixels: shownPixels } }], size)),
      })),
    };
  };

  return {
    /**
     * Loads the plan and chooses the provider: WebGPU where there is a device, else wasm; `wanted`
     * overrides.
     */
    async open(page: string, wanted: Provider | "auto"): Promise<{ plan: StudioPlan; provider: Provider }> {
      base = page;
      setUpEngine(base);
      plan = JSON.parse(await text("studio.json")) as StudioPlan;
      provider = wanted === "auto" ? ((await hasWebGpu()) ? "webgpu" : "wasm") : wanted;
      return { plan, provider };
    },

    async drawPeople(people: number, held: number): Promise<FacesShown> {
      const space = await loadFaceSpace(new URL("facespace.safetensors", base).href);
      return show(drawPeople(space, opened().model.size, people, held));
    },

    async readPictures(files: readonly Blob[], onProgress: (done: number) => void): Promise<FacesShown> {
      return show(await readPictures(files, opened().model.size, onProgress));
    },

    /**
     * Trains on the faces that were drawn or read last, then measures. A stopped training is
     * measured too.
     */
    async train(steps: number, onStep: (report: StepReport) => void): Promise<Trained> {
      const chosen = faces ?? fail("choose faces first");
      const model = opened();
      stopped = false;
      const theta = new Float32Array((await load("theta.f32")).buffer as ArrayBuffer);
      const started = performance.now();
      let done = 0;
      const range = await fitted(chosen);
      const frozen = await openRun(await load(`frozen-${provider}.onnx`), provider);
      try {
        const file = `train-${provider}` as const;
        const training = await openRun(withAlpha(model, file, await load(`${file}.onnx`), range), provider);
        try {
          const task = { plan: model, faces: chosen.train, steps, train: training.run, frozen: frozen.run };
          const next = async (report: StepReport): Promise<boolean> => {
            done = report.step;
            onStep(report);
            // Lets the page's orders in: the engine may never leave this thread while it computes.
            await new Promise((resolve) => setTimeout(resolve));
            return !stopped;
          };
          await train({ ...task, onStep: next }, theta);
        } finally {
          await training.close();
        }
        const seconds = (performance.now() - started) / 1000;
        const bytes = deployedModel(model, await load("face.onnx"), theta, range);
        result = { theta, range, model: bytes };
        const adapted = await openRun(bytes, provider);
        try {
          return { steps: done, seconds, measured: await measure(model, chosen, frozen.run, adapted.run) };
        } finally {
          await adapted.close();
        }
      } finally {
        await frozen.close();
      }
    },

    stop(): void {
      stopped = true;
    },

    /** The model to deploy, and the adapter alone. */
    async files(): Promise<{ model: Uint8Array<ArrayBuffer>; adapter: Uint8Array<ArrayBuffer> }> {
      const { theta, range, model } = result ?? fail("nothing is trained yet");
      return { model, adapter: adapterArchive(opened(), await text("adapter/adapter_config.json"), theta, range) };
    },
  };
}

function fail(message: string): never {
  throw new Error(message);
}

/** Planes as canvas pixels. */
const rgba = (planes: Uint8Array): Uint8ClampedArray => new Uint8ClampedArray(fromPlanes(planes, 4).buffer);
