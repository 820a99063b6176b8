/**
 * A million files, and a record file of 5 GB: how long until training could start, the first time and with the list kept; how fast records are
 * read anywhere; and how fast faces are decoded and degraded: `npm run bench -- data --help`.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeRecord, openData } from "petalface/data";
import { shared } from "../faces/plan.ts";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "1000000" },
    people: { type: "string", default: "10000" },
    gigabytes: { type: "string", default: "5" },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-data") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- data [--files N] [--people N] [--gigabytes N] [--work FOLDER] [--out FOLDER]
Makes N small files and a record file in a folder of its own under --work and removes it at the end. Decoding needs the shared photos.`);
  process.exit(0);
}

const files = Number(values.files);
const people = Number(values.people);
const gigabytes = Number(values.gigabytes);
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
  await rm(faces, { recursive: true });
  const { rec, records } = await makeRecords(lfw);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const what = `${gigabytes} GB .rec of ${records.toLocaleString("en")} faces`;
  note(`open ${what}`, measure("open", rec));
  note("read records all over it, 1 thread", measure("read", rec));
  note("decode and degrade its faces, 2 threads", measure("load", rec, "2"));
  await rm(rec.replace(/rec$/, "idx"));
  note("open it without .idx, first time", measure("open", rec));
  note("open it without .idx again, list kept", measure("open", rec));
  for (const threads of ["1", "2"]) note(`decode and degrade LFW, ${threads} threads`, measure("load", lfw, threads));
} finally {
  await rm(values.work, { recursive: true, force: true });
}
const page = `# Data sets

    npm run bench -- data --files ${files} --people ${people} --gigabytes ${gigabytes}

A folder of ${people.toLocaleString("en")} people with ${files.toLocaleString("en")} files of 16 bytes in all, opened as \`adapt\` opens it before its first step: listed, counted,
hashed. The record file holds LFW's JPEGs again and again, in insightface's layout, and is in the page cache. Peak: resident memory of the process. Decoding: 112 px JPEGs of LFW, each shrunk to 16 px and enlarged.

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

/** A record file of LFW's photos, repeated, with a .idx next to it. */
async function makeRecords(photos: string): Promise<{ readonly rec: string; readonly records: number }> {
  console.error(`making a record file of ${gigabytes} GB ...`);
  const data = await openData(photos);
  const bytes = Array.from({ length: Math.min(data.length, 5000) }, (_, at) => {
    const { source } = data.at(at);
    return readFileSync(source.kind === "file" ? source.path : "");
  });
  const rec = join(values.work, "train.rec");
  const [file, idx] = [openSync(rec, "w"), openSync(rec.replace(/rec$/, "idx"), "w")];
  const perPerson = 20;
  let [position, pending, lines] = [0, [] as Uint8Array[], [] as string[]];
  const flush = (): void => {
    writeSync(file, Buffer.concat(pending));
    writeSync(idx, lines.join(""));
    [pending, lines] = [[], []];
  };
  const add = (key: number, record: Uint8Array): void => {
    pending.push(record);
    lines.push(`${key}\t${position}\n`);
    position += record.length;
    if (pending.length === 2000) flush();
  };
  let records = 0;
  for (; position < gigabytes * 1e9 || records % perPerson !== 0; records++) {
    const label = Math.floor(records / perPerson);
    add(records + 1, encodeRecord({ label, id: records + 1 }, bytes[records % bytes.length] as Buffer));
  }
  const last = records / perPerson;
  for (let person = 0; person < last; person++) {
    const label = [person * perPerson + 1, (person + 1) * perPerson + 1];
    add(records + 1 + person, encodeRecord({ label, id: records + 1 + person }, new Uint8Array()));
  }
  add(0, encodeRecord({ label: [records + 1, records + 1 + last], id: 0 }, new Uint8Array()));
  flush();
  closeSync(file);
  closeSync(idx);
  return { rec, records };
}

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
