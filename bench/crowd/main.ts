import { type CrowdCount, crowd, measureCrowd } from "../align/crowd.ts";
import { detectors } from "../align/detectors.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { addRow, table } from "../skeleton/page.ts";
import { sum } from "../skeleton/statistics.ts";

const row = (name: string, counts: readonly CrowdCount[]): string[] => [
  name,
  `${sum(counts.map(({ found }) => found))} of ${crowd.faces * counts.length}`,
  counts.map(({ found }) => found).join(", "),
  String(sum(counts.map(({ wrong }) => wrong))),
];

export default defineBenchmark({
  name: "crowd",
  title: "Far faces",
  measures: "How many faces of 12 to 24 px are found in camera frames, with and without a near face.",
  minutes: 1,
  needs: "the shared photos and detectors",
  options: { frames: { help: "frames of each kind", default: 6 } },
  async run({ frames }) {
    const rows: string[][] = [];
    for (const { name, file } of detectors) {
      const { alone, behind } = await measureCrowd(file, frames);
      addRow(rows, row(`${name}, no near face`, alone));
      addRow(rows, row(`${name}, a near face`, behind));
    }
    return {
      body: `${crowd.faces} faces of ${crowd.least} to ${crowd.most} px in frames of 1280 x 720 (\`bench/align/crowd.ts\`), looked for as
\`petalface align --all\` does. Behind them a photo of the LFW sample fills the frame, blurred or with its face about 450 px
wide. Wrong: boxes that are neither the near face nor a far one.

${table(["detector, frames", "found", "in each frame", "wrong"], rows)}`,
    };
  },
});
