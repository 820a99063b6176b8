/**
 * One rank of `bench -- size`: opens a large record file, trains some steps, and says what that
 * took. Rank 0 prints JSON.
 */
import { readFile } from "node:fs/promises";
import { openRanks } from "petalface/cluster";
import { openData } from "petalface/data";
import { adapt } from "petalface/training";

const [model = "", train = "", out = "", steps = "1", classes = "1"] = process.argv.slice(2);
const ranks = await openRanks();
if (ranks === undefined) throw new Error("start this with mpirun");
/** Images of a step, two for each of four ranks. */
const batch = 8;

/** Bytes that this process has read so far; pages of mapped files are not among them. */
const bytesRead = async (): Promise<number> =>
  Number(/^rchar: (\d+)$/m.exec(await readFile("/proc/self/io", "utf8"))?.[1] ?? Number.NaN);

const begin = performance.now();
const data = await openData(train);
const opened = (performance.now() - begin) / 1000;
const [readByOpening, memoryOfOpening] = [await bytesRead(), process.resourceUsage().maxRSS];
const times: number[] = [];
let last = performance.now();
let firstAfter = Number.NaN;
const enough = new AbortController();
await adapt(
  {
    model,
    train,
    out,
    options: {
      batch,
      accumulate: ranks.count,
      rank: 4,
      sites: "all",
      loss: "cosface",
      centreFaces: 0,
      classesPerStep: Number(classes),
      quality: "sharpness",
      alphaRange: [0, 20],
      lrPixels: [4, 6],
      epochs: 1,
      checkpointSeconds: 1e6,
    },
  },
  {
    threads: 1,
    ranks,
    data,
    signal: enough.signal,
    onStep() {
      const now = performance.now();
      if (times.length === 0) firstAfter = (now - begin) / 1000;
      times.push(now - last);
      last = now;
      if (times.length === Number(steps)) enough.abort();
    },
  },
);
const own = {
  opened,
  memoryOfOpening,
  readByOpening,
  firstAfter,
  times: times.slice(1),
  memory: process.resourceUsage().maxRSS,
  read: await bytesRead(),
  faces: data.length,
  people: data.people.length,
};
const all = await ranks.gatherTexts(JSON.stringify(own));
if (ranks.rank === 0) console.log(JSON.stringify(all.map((text) => JSON.parse(text) as unknown)));
await ranks.close();
