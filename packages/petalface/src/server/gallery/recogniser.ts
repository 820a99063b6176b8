import { type GalleryModel, type GalleryModelOptions, openGalleryModel } from "../../api/gallery/model.ts";
import { openEmbedder } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  type DescribeOptions,
  type Describer,
  describeFaces,
  type FaceDescription,
  openDescriber,
  type ServedStore,
} from "../../gallery/index.ts";
import {
  createDegrader,
  type ImageRequest,
  type Loader,
  type Pixels,
  printPath,
  toPlanes,
} from "../../images/index.ts";
import { openResources } from "../../resources.ts";
import type { EngineKeeper } from "../../runtime/index.ts";
import { type Batcher, openBatcher } from "../batcher.ts";
import { Problem } from "../problem.ts";

/** A gallery's model at work; requests share its batches. */
export interface Recogniser extends AsyncDisposable {
  readonly model: GalleryModel;
  /** Side of a crop in pixels. */
  readonly size: number;
  /** Embeds a face with the adapter, where there is one. */
  describe(crop: Pixels, signal?: AbortSignal): Promise<FaceDescription>;
  /** The same with the frozen model. Throws a {@link Problem} where there is no adapter. */
  describeFrozen(crop: Pixels, signal?: AbortSignal): Promise<FaceDescription>;
  /** For enrolling; takes turns with the batches. */
  readonly describer: Describer;
}

/** How batches are gathered, and who hears of them. */
export interface RecogniserOptions extends GalleryModelOptions {
  /** Faces of a batch. */
  readonly batch: number;
  /** Milliseconds that a face waits for others. */
  readonly wait: number;
  readonly onBatch?: ((faces: number) => void) | undefined;
  /** Makes one for each engine. */
  readonly keeper: () => EngineKeeper;
}

/**
 * Opens the model of a gallery.
 *
 * @throws PetalfaceError where it makes embeddings of another space, or needs what a server does
 * not know
 */
export async function openRecogniser(
  store: Pick<ServedStore, "path" | "record">,
  options: RecogniserOptions,
): Promise<Recogniser> {
  const model = await openGalleryModel(store, options);
  const { opened, calibration } = model;
  const { batch, wait, onBatch, keeper } = options;
  const engine = { ...model.engine, ownThread: keeper() };
  const open = openResources();
  try {
    const describer = open.keep(await openDescriber(opened, calibration, engine));
    if (describer.embedder.scores !== undefined)
      throw new PetalfaceError(
        "PETAL_GALLERY_MISMATCH",
        `${printPath(store.path)}: its adapter takes a quality score that comes with each photo, which a server has not; train one with a measure that needs only the photo`,
      );
    const batcher = (given: DescribeOptions["describer"]): Batcher<Pixels, FaceDescription | undefined> =>
      openBatcher({
        most: Math.min(batch, given.embedder.batch),
        wait,
        onBatch,
        // The engine has the next batch before the results of the last one are on their way.
        atOnce: 2,
        run: (crops) => describeCrops(crops, given),
      });
    const adapted = batcher(describer);
    let frozen: Promise<Batcher<Pixels, FaceDescription | undefined>> | undefined;
    const openFrozen = async () => {
      const embedder = open.keep(await openEmbedder(opened.backbone, { ...engine, ownThread: keeper() }));
      return batcher({ embedder, judge: undefined });
    };
    return {
      model,
      size: opened.model.size,
      describer,
      describe: async (crop, signal) => finite(await adapted.submit(crop, signal)),
      async describeFrozen(crop, signal) {
        if (opened.adapter === undefined)
          throw new Problem(
            409,
            "no-adapter",
            "this gallery's model is the frozen one; there is nothing to compare it with",
          );
        frozen ??= openFrozen().catch((error: unknown) => {
          // The next request tries again.
          frozen = undefined;
          throw error;
        });
        return finite(await (await frozen).submit(crop, signal));
      },
      [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
    };
  } catch (error) {
    await open[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Gives crops that are in memory already as a {@link Loader} does, by the number of their source.
 */
export function cropLoader(crops: readonly Pixels[]): Pick<Loader, "load"> {
  const degrade = createDegrader();
  return {
    async load(requests) {
      const [first] = crops;
      const bytes = first === undefined ? 0 : first.data.length;
      const planes = new Uint8Array(requests.length * bytes);
      requests.forEach(({ source, degrade: how }, at) => {
        const crop = crops[source.kind === "memory" ? source.number : -1];
        if (crop === undefined) throw new Error("a face that was not given");
        toPlanes(how === undefined ? crop : degrade(crop, how), planes, at * bytes);
      });
      return planes;
    },
  };
}

async function describeCrops(
  crops: readonly Pixels[],
  describer: DescribeOptions["describer"],
): Promise<readonly (FaceDescription | undefined)[]> {
  const requests = crops.map((_, number): ImageRequest => {
    const source = { kind: "memory", number, bytes: new Uint8Array() } as const;
    return { source, flip: false };
  });
  const out: (FaceDescription | undefined)[] = [];
  const parts = describeFaces(requests, {
    describer,
    loader: cropLoader(crops),
    copies: [],
    pictures: false,
    onLeft: () => {},
  });
  for await (const { faces } of parts) out.push(...faces);
  return out;
}

/**
 * Throws a {@link Problem} for the one face whose embedding is not finite; others of its batch are
 * not touched.
 */
function finite(face: FaceDescription | undefined): FaceDescription {
  if (face === undefined)
    throw new Problem(422, "unreadable-photo", "the model's embedding of this face is not finite");
  return face;
}
