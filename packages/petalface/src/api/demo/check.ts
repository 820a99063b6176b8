import { itemAt } from "onnx-grad";
import { type EmbeddingModel, openBackbone, openEmbedder } from "../../backbones/index.ts";
import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import { readableFaces } from "../export/readable.ts";

/** How far an exported file may be from the model it was made of, absolute. */
const tolerance = 1e-5;

/**
 * Runs the exported file and the model in memory on the same faces, sharp and degraded. Returns the
 * largest difference of any number of an embedding; throws PetalfaceError if it is above 1e-5.
 */
export async function checkExport(path: string, model: EmbeddingModel, data: FaceData): Promise<number> {
  const first = Array.from({ length: Math.min(16, data.length) }, (_, face) => face);
  await using loader = openLoader({ size: model.size, threads: 1, faces: first.length });
  const faces = await readableFaces(data, first, loader);
  const count = faces.length;
  if (count === 0)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${data.spec}: none of the first ${first.length} measured faces can be read`,
    );
  const planes = await loader.load(
    Array.from({ length: 2 * count }, (_, i) => ({
      source: data.at(itemAt(faces, i % count)).source,
      flip: false,
      ...(i < count ? {} : { degrade: { kind: "lr" as const, pixels: 12 } }),
    })),
  );
  const embed = async (which: EmbeddingModel): Promise<Float32Array> => {
    const embedder = await openEmbedder(which, { batch: 2 * count });
    const { data: rows } = await embedder.embed(planes, 2 * count);
    await embedder.close();
    return rows;
  };
  const file = await openBackbone(path);
  const [expected, got] = [await embed(model), await embed(file)];
  // Where both are not finite, the picture is the reason.
  const difference = expected.reduce(
    (most, value, i) => (Object.is(value, got[i]) ? most : Math.max(most, Math.abs(value - itemAt(got, i)))),
    0,
  );
  if (!(difference <= tolerance))
    throw new PetalfaceError(
      "PETAL_INTERNAL",
      `${path} differs from the adapted model by ${difference}; please report this`,
    );
  return difference;
}
