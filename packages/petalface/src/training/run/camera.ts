import { type Adapter, requireGateToCentre } from "../../adapters/index.ts";
import { type FaceData, openData } from "../../data/index.ts";
import { centreAdapter, fewestCrops } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { TrainingOptions } from "../options/options.ts";
import { placeNow } from "./places.ts";
import type { AdaptContext, Run } from "./types.ts";

/** Opens the crops that a run centres its adapter on, before the first step. */
export async function openCamera(
  camera: string | undefined,
  options: TrainingOptions,
  { mostLeftOut }: AdaptContext,
): Promise<FaceData | undefined> {
  if (camera === undefined) return undefined;
  requireGateToCentre(options);
  const crops = await openData(camera, { mostLeftOut });
  if (crops.length < fewestCrops)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${camera}: ${crops.length} crops of the camera; centring takes at least ${fewestCrops}`,
    );
  return crops;
}

/** The trained adapter, centred where the run asks for it. */
export async function centredResult(run: Run, adapter: Adapter, context: AdaptContext): Promise<Adapter> {
  const { folder, record, backbone, session } = run;
  const { camera, places } = record;
  if (camera === undefined) return adapter;
  const crops = await openData(await placeNow(folder, places, camera.given), { mostLeftOut: context.mostLeftOut });
  if (crops.fingerprint !== camera.fingerprint)
    throw new PetalfaceError(
      "PETAL_RUN_MISMATCH",
      `${camera.given} does not hold the crops that ${folder} was started with; restore them, then continue the run`,
    );
  const { onLeftOut, signal } = context;
  const onLeft = onLeftOut && ((_: number, { message }: { message: string }) => onLeftOut(message));
  return (await centreAdapter(backbone, adapter, crops, { session, signal, onLeft })).adapter;
}
