/**
 * A million files: how long until training could start, the first time and with the list kept; and how fast faces are decoded and degraded:
 * `npm run bench -- data --help`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shared } from "../faces/plan.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "1000000" },
    people: { type: "string", default: "10000" },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-data") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- data [--files N] [--people N] [--work FOLDER] [--out FOLDER]
Makes N small files in a folder of its own under --work and removes it at the end. Decoding needs the shared photos.`);
  process.exit(0);
}

const files = Number(values.files);
const people = Number(values.people);
const faces = join(values.work, "faces");
const cache = join(values.work, "cache");

/** What a child process (worker.ts) measured. */
interface Measured {
  readonly seconds: number;
  /** Peak of resident memory, bytes. */
  readonly peak: number;
  readonly count: number;
}

const measure = (...order: string[]): Measured =>
  JSON.parse(
    execFileSync(process.execPath, [join(import.meta.dirname, "worker.ts"), ...order], {
      encoding: "utf8",
      env: { ...process.env, PETALFACE_CACHE: cache },
    }),
  ) as Measured;

const rows: [string, Measured][] = [];
const note = (what: string, measured: Measured): void => {
  rows.push([what, measured]);
  console.error(`${what}: ${measured.seconds.toFixed(2)} s, peak ${(measured.peak / 1e6).toFixed(0)} MB`);
};

await rm(values.work, { recursive: true, force: true });
try {
  makeFiles();
  // A list is kept only of folders that have been still for a while.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  note(`list ${files.toLocaleString("en")} files, first time`, measure("open", faces));
  note("open them again, list kept", measure("open", faces));
  const lfw = join(shared, "data/lfw112");
  for (const threads of ["1", "2"]) note(`decode and degrade LFW, ${threads} threads`, measure("load", lfw, threads));
} finally {
  await rm(values.work, { recursive: true, force: true });
}
const page = `# Data sets

    npm run bench -- data --files ${files} --people ${people}

A folder of ${people.toLocaleString("en")} people with ${files.toLocaleString("en")} files of 16 bytes in all, opened as \`adapt\` opens it before its first step: listed, counted,
hashed. Peak: resident memory of the process. Decoding: 112 px JPEGs of LFW, each shrunk to 16 px and enlarged.

${cpus()[0]?.model.trim()}, ${cpus().length} cores; Node ${process.versions.node}.

| what | seconds | a second | peak MB |
| --- | --- | --- | --- |
${rows
  .map(
    ([what, { seconds, count, peak }]) =>
      `| ${what} | ${seconds.toFixed(2)} | ${Math.round(count / seconds).toLocaleString("en")} | ${(peak / 1e6).toFixed(0)} |`,
  )
  .join("\n")}
`;
console.log(page);
await mkdir(values.out, { recursive: true });
await writeFile(join(values.out, "data.md"), page);

function makeFiles(): void {
  const each = Math.ceil(files / people);
  console.error(`making ${files} files ...`);
  let made = 0;
  for (let person = 0; person < people; person++) {
    const folder = join(faces, `person_${String(person).padStart(6, "0")}`);
    mkdirSync(folder, { recursive: true });
    for (let i = 0; i < each && made < files; i++, made++)
      writeFileSync(join(folder, `face_${String(i).padStart(5, "0")}.jpg`), "not really a jpg");
  }
  if (readdirSync(faces).length === 0) throw new Error("made no files");
}
