import { dirname, join } from "node:path";
import type { FaceData } from "../../data/index.ts";
import { type Belief, believeGeometry, openLandmarker, templateOfAligned } from "../../faces/index.ts";
import { decodePhoto, type Pixels, printPath } from "../../images/index.ts";
import { cacheFolder, isCached, knownDetectors } from "../../models/index.ts";
import { alignDefaults } from "./align.ts";

/** Crops that are looked at, evenly over the set. */
const looked = 16;

/**
 * One line on where the faces lie in the crops of a set: as the folder says that `align` wrote, or
 * as the landmark network sees them. The network is not fetched for this. Undefined where the set
 * has no files.
 */
export async function geometryNote(data: FaceData): Promise<string | undefined> {
  const first = data.length === 0 ? undefined : data.at(0).source;
  if (first?.kind !== "file") return undefined;
  const name = printPath(data.spec);
  const written =
    (await templateOfAligned(data.spec)) ??
    (await templateOfAligned(dirname(data.spec))) ??
    (await templateOfAligned(join(first.path, "../..")));
  if (written !== undefined) return `${name}: faces placed as align 'template=${written}' does`;
  const landmarks = knownDetectors.find((model) => model.name === alignDefaults.landmarks);
  if (landmarks === undefined || !(await isCached(landmarks, cacheFolder())))
    return `${name}: taken as aligned; where the faces lie was not examined, as the landmark model is not in the cache (petalface align fetches it)`;
  const crops: Pixels[] = [];
  const count = Math.min(looked, data.length);
  for (let at = 0; at < count; at++) {
    const { source } = data.at(Math.floor((at * data.length) / count));
    const photo = source.kind === "file" ? await decodePhoto(source.path).catch(() => undefined) : undefined;
    if (photo !== undefined) crops.push(photo.pixels);
  }
  const landmarker = await openLandmarker(alignDefaults.landmarks);
  try {
    return `${name}: ${printBelief(await believeGeometry(crops, landmarker), crops.length)}`;
  } finally {
    await landmarker.close();
  }
}

const alike: Readonly<Record<string, string>> = { arcface: " (opencv)", facenet: " (deepstream)" };

function printBelief({ geometry, off, faces }: Belief, crops: number): string {
  if (faces === 0) return `taken as aligned; no points of a face were found in ${crops} of them`;
  const far = `${off.toFixed(2)} of the distance between the eyes off`;
  return geometry === undefined
    ? `the faces lie as in no known geometry (${faces} of ${crops} looked at; the nearest is ${far}): a model works best on faces placed as it was trained`
    : `the faces lie as align 'template=${geometry}' places them${alike[geometry] ?? ""}, ${far} (${faces} of ${crops} looked at)`;
}
