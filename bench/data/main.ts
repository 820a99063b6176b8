import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { addRow, megabytes, table, whole } from "../skeleton/page.ts";
import { lfw } from "../skeleton/shared.ts";
import { type Counted, doTask, type Task } from "./job.ts";
import { makeFiles, makeRecords } from "./make.ts";

/** A list is kept only of folders that have been still for a while. */
const still = 3000;

export default defineBenchmark({
  name: "data",
  title: "Data sets",
  measures: "How soon training can begin on a million files or a 5 GB record file; decoding, faces a second.",
  minutes: 5,
  needs: "the shared photos",
  options: {
    files: { help: "files of the folder", default: 1_000_000 },
    people: { help: "people of the folder", default: 10_000 },
    gigabytes: { help: "size of the record file", default: 5 },
  },
  async run({ files, people, gigabytes }, { work }) {
    const faces = join(work, "faces");
    const rows: string[][] = [];
    const note = async (what: string, task: Task): Promise<void> => {
      const env = { PETALFACE_CACHE: join(work, "cache") };
      const { value, peak } = await inProcess<Counted>("data", task, { env });
      addRow(rows, [what, value.seconds.toFixed(2), whole(value.count / value.seconds), megabytes(peak)]);
    };
    makeFiles(faces, files, people);
    await sleep(still);
    await note(`list ${whole(files)} files, first time`, { what: "open", spec: faces });
    await note("open them again, list kept", { what: "open", spec: faces });
    await rm(faces, { recursive: true });
    const { rec, records } = await makeRecords(lfw, work, gigabytes);
    await sleep(still);
    await note(`open ${gigabytes} GB .rec of ${whole(records)} faces`, { what: "open", spec: rec });
    await note("read records all over it, 1 thread", { what: "read", spec: rec });
    await note("decode and degrade its faces, 2 threads", { what: "load", spec: rec, threads: 2 });
    await rm(rec.replace(/rec$/, "idx"));
    await note("open it without .idx, first time", { what: "open", spec: rec });
    await note("open it without .idx again, list kept", { what: "open", spec: rec });
    for (const threads of [1, 2])
      await note(`decode and degrade LFW, ${threads} threads`, { what: "load", spec: lfw, threads });
    return {
      body: `A folder of ${whole(people)} people with ${whole(files)} files of 16 bytes in all, opened as \`adapt\` opens it before its first step:
listed, counted, hashed. The record file holds LFW's JPEGs again and again, in insightface's layout, and is in the page
cache. Peak: resident memory of the process. Decoding: 112 px JPEGs of LFW, each shrunk to 16 px and enlarged.

${table(["what", "seconds", "a second", "peak MB"], rows)}`,
    };
  },
  job: doTask,
});
