/**
 * Aligning photos: how exact the five points are, what happens to faces of a few pixels, whether a
 * recogniser notices, and how fast it is compared with insightface:
 * `npm run bench -- align --help`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shared } from "../faces/plan.ts";
import { detectors } from "./detectors.ts";
import { measurePoints, type PointRow } from "./points.ts";
import { measureSpeed } from "./speed.ts";
import { measureVerification } from "./verification.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- align [--python PROGRAM] [--out FOLDER]
Needs the shared photos and detectors. --python: an interpreter that has insightface 2.1 and opencv-python, for the comparison.`);
  process.exit(0);
}

const widths = [undefined, 24, 16, 12] as const;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const percent = (share: number): string => (100 * share).toFixed(2);

const points: PointRow[] = [];
for (const detector of detectors)
  for (const width of widths) {
    const row = await measurePoints(detector, width);
    points.push(row);
    console.error(
      `${row.name}, ${width ?? "whole"}: found ${row.found} of ${row.photos}, error ${percent(row.error)} %`,
    );
  }

const work = await mkdtemp(join(tmpdir(), "petalface-bench-align-"));
try {
  const verification = await measureVerification(join(work, "crops"));
  const speed = detectors.map(({ name, file }) => ({ name, ...measureSpeed(file, work) }));
  const peer = values.python === undefined ? undefined : runPeer(values.python);
  const page = `# Aligned faces

    npm run bench -- align --python PYTHON

The 401 photos of the LFW sample (250 px) against its landmarks. Error: mean distance of the five points over the distance between the eyes. Smaller faces:
the photos shrunk until the face's box is so many pixels wide; the error stays relative. "other half": photos that the systematic offsets of the points
(\`faces/points.ts\`) were not measured on. Where no face is found the crop is the middle of the photo.

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

insightface's own SCRFD pipeline on the same photos: ${
    peer === undefined
      ? "not measured (give --python)."
      : `${peer.map(({ size, found, error, worst }) => `at ${size} x ${size} found ${found} of 401, error ${percent(error)} %, worst ${worst.toFixed(2)}`).join("; ")}.`
  }

## Does a recogniser notice?

MobileFaceNet on our crops of these photos (default detector) in place of the given LFW crops. Only 401 of LFW's 13,233 photos are at hand whole, so the 6,000 official
pairs cannot be formed: each of the 401 is compared with up to ten other photos of its person and as many of others, which keep the given crops.

- cosine between the embeddings of our crop and the given one: mean ${verification.cosine.mean.toFixed(4)}, 5th percentile ${verification.cosine.low.toFixed(4)}
- accuracy on ${verification.pairs.toLocaleString("en")} pairs: given crops ${percent(verification.given)} %, ours ${percent(verification.ours)} %; difference ${percent(verification.ours - verification.given)} +- ${percent(verification.standardError)} points (standard error over photos)

## Speed

Decode, detect, 68 landmarks, warp, PNG, manifest: \`petalface align\` with two threads, start of the process included.

${table(
  ["detector", "photos a second", "peak memory MB"],
  speed.map(({ name, rate, peak }) => [name, rate.toFixed(0), (peak / 1e6).toFixed(0)]),
)}

insightface (Python, the same SCRFD file, decode, detect, norm_crop, PNG; onnxruntime with its own threads): ${
    peer === undefined
      ? "not measured."
      : `${peer.map(({ size, rate }) => `${rate.toFixed(0)} a second at ${size} x ${size}`).join("; ")}.`
  }

${cpus()[0]?.model.trim()}, ${cpus().length} cores; Node ${process.versions.node}.
`;
  console.log(page);
  await writeFile(join(values.out, "align.md"), page);
} finally {
  await rm(work, { recursive: true, force: true });
}

interface Peer {
  readonly size: number;
  readonly found: number;
  readonly error: number;
  readonly worst: number;
  readonly rate: number;
}

function runPeer(python: string): readonly Peer[] {
  if (!existsSync(python)) throw new Error(`${python} is not there`);
  const { status, stdout, stderr } = spawnSync(
    python,
    [join(import.meta.dirname, "peer.py"), shared, join(work, "peer")],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Peer[];
}
