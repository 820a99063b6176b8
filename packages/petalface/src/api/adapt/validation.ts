import { adaptedModel } from "../../adapters/index.ts";
import { openEmbedder } from "../../backbones/index.ts";
import { isDrawn, type Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { evaluate, protocolOfPairs, syntheticPairs } from "../../evaluation/index.ts";
import { openLoader } from "../../images/index.ts";
import type { OpenValidator, ValidationRequest } from "../../training/index.ts";
import { noteLeftOut, openFaces } from "../data.ts";
import { openPairs } from "../evaluate/protocol.ts";
import type { Surroundings } from "../surroundings.ts";
import { cosineProtocol, cosineValidator } from "./cosine.ts";

/** Opens what `petalface adapt --val` names: pairs, or with `cosine` faces without identities. */
export const openAnyValidator =
  (mostLeftOut: number | undefined, context: Surroundings): OpenValidator =>
  (request, backbone, session) => {
    const open = request.protocol === cosineProtocol ? cosineValidator : pairsValidator;
    return open(mostLeftOut, context)(request, backbone, session);
  };

/**
 * Resamples of the bootstrap that the error bar is from; fixed, so that a resumed run prints the
 * same.
 */
const bootstrap = { resamples: 200, seed: 1 };

/** Names what `--val` measures. */
const measureOf = ({ pixels }: ValidationRequest): string =>
  `mean accuracy of low-resolution and mixed pairs at ${pixels.join(", ")} px`;

/**
 * Opens the protocol of `petalface adapt --val`, and says what of it is left out. The measure is
 * the mean of the verification accuracies, thresholds chosen on the other folds, of pairs with both
 * faces at k px and of pairs with one sharp face, over all k. Its standard error is the mean of
 * theirs: all are of the same people, so that errors that go together are not counted as if they
 * averaged out.
 */
const pairsValidator =
  (mostLeftOut: number | undefined, context: Surroundings): OpenValidator =>
  async (request, backbone, session) => {
    const named = request.data !== undefined;
    if (!named && /^drawn(:|$)/.test(request.protocol))
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `'val' ${request.protocol} draws pairs; give the faces to draw from with 'valData'`,
      );
    const data = await openFaces(request.data ?? request.protocol, { mostLeftOut }, context);
    let said = false;
    let left: Unreadable | undefined;
    const list = named ? await openPairs(request.protocol, {}, data) : syntheticPairs(data);
    const protocol = protocolOfPairs(list, data);
    const threads = session.threads ?? 1;
    const loader = openLoader({
      size: backbone.size,
      threads,
      cacheBytes: 128 * 2 ** 20,
      faces: data.length,
      drawn: isDrawn(data),
    });
    return {
      measure: measureOf(request),
      fingerprint: `${protocol.fingerprint}-${data.fingerprint}`,
      async evaluate(adapter, signal, ranks) {
        const model = await openEmbedder(adaptedModel(backbone, adapter), session);
        try {
          const { measures, leftOut } = await evaluate({
            model,
            loader,
            protocol,
            signal,
            ranks,
            bootstrap,
            choice: { fars: [] },
            degradations: request.pixels.map((side) => `lr:${side}`),
          });
          if (!said) noteLeftOut(leftOut, context);
          said = true;
          left = leftOut;
          const chosen = measures.filter(({ kind, condition }) => kind === "accuracy" && condition.kind !== "sharp");
          const mean = (values: readonly number[]): number =>
            values.reduce((sum, value) => sum + value, 0) / values.length;
          return {
            value: mean(chosen.map(({ value }) => value)),
            standardError: mean(chosen.map(({ standardError }) => standardError)),
          };
        } finally {
          await model.close();
        }
      },
      leftOut: () => left,
      close: () => loader.close(),
    };
  };
