/**
 * Far faces in camera frames, with and without a near one before them:
 * `npm run bench -- crowd --help`.
 */
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CrowdCount, crowd, measureCrowd } from "../align/crowd.ts";
import { detectors } from "../align/detectors.ts";

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "6" },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log("npm run bench -- crowd [--frames N] [--out FOLDER]\nNeeds the shared photos and detectors.");
  process.exit(0);
}

const sum = (counts: readonly CrowdCount[], key: keyof CrowdCount): number =>
  counts.reduce((total, count) => total + count[key], 0);
const row = (name: string, counts: readonly CrowdCount[]): string => {
  const each = counts.map(({ found }) => found).join(", ");
  return `| ${name} | ${sum(counts, "found")} of ${crowd.faces * counts.length} | ${each} | ${sum(counts, "wrong")} |`;
};

const rows: string[] = [];
for (const { name, file } of detectors) {
  const { alone, behind } = await measureCrowd(file, Number(values.frames));
  rows.push(row(`${name}, no near face`, alone), row(`${name}, a near face`, behind));
  console.error(rows.slice(-2).join("\n"));
}
const page = `# Far faces

    npm run bench -- crowd --frames ${values.frames}

${crowd.faces} faces of ${crowd.least} to ${crowd.most} px in frames of 1280 x 720 (\`bench/align/crowd.ts\`), looked for as \`petalface align --all\` does. Behind them a photo of the
LFW sample fills the frame, blurred or with its face about 450 px wide. Wrong: boxes that are neither the near face nor a far one.

| detector, frames | found | in each frame | wrong |
| --- | --- | --- | --- |
${rows.join("\n")}

${cpus()[0]?.model.trim()}, ${cpus().length} cores; Node ${process.versions.node}.
`;
console.log(page);
await writeFile(join(values.out, "crowd.md"), page);
