import { rm } from "node:fs/promises";
import { join } from "node:path";
import { percent } from "petalface/evaluation";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { flags, petalface } from "../skeleton/children.ts";
import { megabytes, table, whole } from "../skeleton/page.ts";
import { shared } from "../skeleton/shared.ts";
import { detectors } from "./detectors.ts";
import { measurePoints, type PointRow } from "./points.ts";
import { type DecodedPhoto, decodeSamplePhoto, photoFolder, readSample } from "./sample.ts";
import { measureVerification } from "./verification.ts";

const widths = [undefined, 24, 16, 12] as const;

/** insightface's pipeline at one size of its input. */
interface Peer {
  readonly size: number;
  readonly found: number;
  readonly error: number;
  readonly worst: number;
  readonly rate: number;
}

export default defineBenchmark({
  name: "align",
  title: "Aligned faces",
  measures: "How exact and how fast `petalface align` is, down to faces of 12 px, and against insightface.",
  minutes: 4,
  needs: "the shared photos and detectors",
  options: {},
  requirements: "align",
  async run(_, { work, python }) {
    const photos: DecodedPhoto[] = [];
    for (const photo of readSample()) photos.push(await decodeSamplePhoto(photo));
    const points: PointRow[] = [];
    for (const detector of detectors)
      for (const width of widths) {
        const row = await measurePoints(photos, detector, width);
        points.push(row);
        console.error(`${row.name}, ${width ?? "whole"}: found ${row.found}, error ${percent(row.error)} %`);
      }
    const verification = await measureVerification(join(work, "crops"));
    const speed: string[][] = [];
    for (const { name, file } of detectors) {
      const { seconds, peak } = await measureSpeed(file, work);
      speed.push([name, (photos.length / seconds).toFixed(0), megabytes(peak)]);
    }
    const insightface = await python();
    const peers = insightface?.json<Peer[]>([join(import.meta.dirname, "peer.py"), shared, join(work, "peer")]) ?? [];
    return { body: render(points, verification, speed, peers), versions: insightface?.versions ?? [] };
  },
});

/**
 * Seconds and peak of resident memory in bytes of `petalface align` on the sample; the better of
 * two runs.
 */
async function measureSpeed(
  detector: string,
  work: string,
): Promise<{ readonly seconds: number; readonly peak: number }> {
  const out = join(work, "speed");
  const run = async () => {
    const used = await petalface(["align", photoFolder, ...flags({ out, detector, threads: 2 })]);
    await rm(out, { recursive: true, force: true });
    return used;
  };
  const [first, second] = [await run(), await run()];
  return first.seconds < second.seconds ? first : second;
}

function render(
  points: readonly PointRow[],
  verification: Awaited<ReturnType<typeof measureVerification>>,
  speed: readonly string[][],
  peers: readonly Peer[],
): string {
  const peer = (describe: (peer: Peer) => string): string =>
    peers.length === 0 ? "not measured" : peers.map(describe).join("; ");
  return `The 401 photos of the LFW sample (250 px) against its landmarks. Error: mean distance of the five points over the
distance between the eyes. Smaller faces: the photos shrunk until the face's box is so many pixels wide; the error stays
relative. "other half": photos that the systematic offsets of the points (\`faces/points.ts\`) were not measured on.
Where no face is found the crop is the middle of the photo.

${table(
  ["detector", "face", "found", "error %", "error %, other half", "worst"],
  points.map((row) => [
    row.name,
    row.width === undefined ? "as it is" : `${row.width} px`,
    `${row.found} of ${row.photos}`,
    percent(row.error),
    percent(row.errorOther),
    row.worst.toFixed(2),
  ]),
)}

insightface's own SCRFD pipeline on the same photos: ${peer(
    ({ size, found, error, worst }) =>
      `at ${size} x ${size} found ${found} of 401, error ${percent(error)} %, worst ${worst.toFixed(2)}`,
  )}.

## Does a recogniser notice?

MobileFaceNet on our crops of these photos (default detector) in place of the given LFW crops. Only 401 of LFW's 13,233
photos are at hand whole, so the 6,000 official pairs cannot be formed: each of the 401 is compared with up to ten other
photos of its person and as many of others, which keep the given crops.

- cosine between the embeddings of our crop and the given one: mean ${verification.cosine.mean.toFixed(4)}, 5th percentile ${verification.cosine.low.toFixed(4)}
- accuracy on ${whole(verification.pairs)} pairs: given crops ${percent(verification.given)} %, ours ${percent(verification.ours)} %; difference ${percent(verification.ours - verification.given)} +- ${percent(verification.standardError)} points (standard error over photos)

## Speed

Decode, detect, 68 landmarks, warp, PNG, manifest: \`petalface align\` with two threads, start of the process included.

${table(["detector", "photos a second", "peak memory MB"], speed)}

insightface (Python, the same SCRFD file, decode, detect, norm_crop, PNG; onnxruntime with its own threads): ${peer(
    ({ size, rate }) => `${rate.toFixed(0)} a second at ${size} x ${size}`,
  )}.`;
}
