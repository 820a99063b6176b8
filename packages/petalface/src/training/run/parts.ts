import { layoutOf } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import { type FaceData, type FaceLoader, isDrawn, skipUnreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import type { QualityWeights } from "../../quality/index.ts";
import { alone, type Ranks } from "../../ranks.ts";
import type { Provider, SessionOptions } from "../../runtime/index.ts";
import { agreedThreads } from "./agreement.ts";
import type { RunRecord } from "./record.ts";
import type { AdaptContext, RunParts } from "./types.ts";
import type { ValidationRequest, Validator } from "./validation.ts";

/** Memory for decoded training faces; what does not fit is decoded again every epoch. */
const decodedCacheBytes = 512 * 2 ** 20;
const defaultPrefixBytes = 4 * 2 ** 30;

/** Where the kept output of frozen layers may grow to, in bytes. */
export const prefixBytesOf = ({ prefixBytes = defaultPrefixBytes }: AdaptContext): number => prefixBytes;

/** The processes that train together. */
export const ranksOf = ({ ranks = alone }: AdaptContext): Ranks => ranks;

/** What a run's steps need of what is open and of its record. */
export function partsOf(
  { options, adapter, steps }: RunRecord,
  weights: QualityWeights | undefined,
  open: Pick<RunParts, "backbone" | "data" | "loader" | "session" | "validator" | "ranks">,
): RunParts {
  const config = { ...adapter, ...(weights && { weights }) };
  return { ...open, options, config, layout: layoutOf(open.backbone, config), steps };
}

/** Loads training faces; others stand for those that cannot be read. */
export const openFaces = (
  backbone: Backbone,
  data: FaceData,
  threads: number,
  { onLeftOut }: AdaptContext,
): FaceLoader =>
  skipUnreadable(
    openLoader({
      size: backbone.size,
      threads,
      cacheBytes: decodedCacheBytes,
      faces: data.length,
      drawn: isDrawn(data),
    }),
    data,
    onLeftOut,
  );

/** The validator of a run that asks for one; to be disposed of. */
export async function openValidator(
  request: ValidationRequest | undefined,
  backbone: Backbone,
  session: SessionOptions,
  context: AdaptContext,
): Promise<AsyncDisposable & { readonly open: Validator | undefined }> {
  if (request !== undefined && context.openValidator === undefined)
    throw new PetalfaceError(
      "PETAL_ARGUMENT_INVALID",
      `this run is validated on ${request.protocol}; give openValidator in the context`,
    );
  const open = request && (await context.openValidator?.(request, backbone, session));
  return {
    open,
    async [Symbol.asyncDispose]() {
      await open?.close();
    },
  };
}

/** How the engine runs; as on every other rank. */
export const sessionOptions = async (
  context: AdaptContext,
): Promise<SessionOptions & { readonly threads: number; readonly provider: Provider }> => ({
  threads: context.threads ?? (await agreedThreads(ranksOf(context))),
  provider: context.provider ?? "cpu",
});
