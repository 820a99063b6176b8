import { chooseThresholds } from "../../../api/gallery/thresholds.ts";
import type { Surroundings } from "../../../api/surroundings.ts";
import type { ErrorCode } from "../../../error-codes.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  type ChosenThresholds,
  decide,
  type GallerySearcher,
  openGallerySearcher,
  type ServedStore,
  shownThresholds,
  type Track,
} from "../../../gallery/index.ts";
import type { SessionOptions } from "../../../runtime/index.ts";
import type { Decided } from "../../../watch/index.ts";
import type { DecisionFlags } from "../gallery/decisions.ts";
import { describeThresholds } from "../gallery/thresholds.ts";

/** Says who tracks are, from a gallery that may change meanwhile. */
export interface Decider extends AsyncDisposable {
  decide(track: Track): Promise<Decided>;
}

/** What is known of a gallery at one time. */
interface Known {
  readonly version: number;
  readonly names: ReadonlyMap<number, string>;
  readonly searcher: GallerySearcher;
  readonly thresholds: ChosenThresholds;
}

/** Failures that pass: the gallery is locked, its server is away, its thread is started again. */
const passing: ReadonlySet<ErrorCode> = new Set(["PETAL_BUSY", "PETAL_DATABASE_FAILED", "PETAL_THREAD_ENDED"]);

/**
 * Opens a {@link Decider}. Where somebody enrols or removes people while a camera is watched, the
 * next decision knows it. While the gallery cannot be read, faces are `unusable`, with the reason:
 * a camera is watched further.
 */
export async function openDecider(
  store: ServedStore,
  session: SessionOptions,
  flags: DecisionFlags,
  context: Pick<Surroundings, "note" | "signal">,
): Promise<Decider> {
  const load = async (): Promise<Known> => {
    const version = await store.version();
    const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
    const searcher = await openGallerySearcher(store, flags.templates, session);
    try {
      const { thresholds: stored } = store.settings;
      const thresholds = await chooseThresholds(searcher, await store.record(), stored, flags, context);
      return { version, names, searcher, thresholds };
    } catch (error) {
      await searcher[Symbol.asyncDispose]();
      throw error;
    }
  };
  let known = await load();
  context.note(describeThresholds(shownThresholds(known.thresholds, store.settings)));
  async function decideNow({ unit, alpha }: Track): Promise<Decided> {
    if ((await store.version()) !== known.version) {
      const old = known;
      known = await load();
      await old.searcher[Symbol.asyncDispose]();
    }
    const { names, searcher, thresholds } = known;
    const [near = []] = await searcher.search({ rows: unit, alpha: [alpha] }, 2, context.signal);
    const { nearest, ...answer } = decide(alpha, near, {
      thresholds: thresholds.table,
      margin: flags.margin,
      lowestAlpha: flags.minAlpha,
      people: searcher.people,
      hasCopies: store.settings.copies.length > 0,
    });
    const person = answer.decision === "match" ? (names.get(nearest?.person ?? -1) ?? null) : null;
    return { ...answer, person, cosine: nearest?.cosine ?? null, alpha };
  }
  return {
    async decide(track) {
      try {
        return await decideNow(track);
      } catch (error) {
        if (!(error instanceof PetalfaceError && passing.has(error.code))) throw error;
        const reason = `the gallery cannot be read now: ${error.message}`;
        const nothing = { person: null, cosine: null, threshold: null, falseAcceptRate: null };
        return { decision: "unusable", reason, ...nothing, alpha: track.alpha };
      }
    },
    [Symbol.asyncDispose]: () => known.searcher[Symbol.asyncDispose](),
  };
}
