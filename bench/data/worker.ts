/** One measurement of `npm run bench -- data` in a process of its own: prints seconds, peak memory and how many. */
import { readFileSync } from "node:fs";
import { openData } from "petalface/data";
import { openImageStore, openLoader, type StoredSource } from "petalface/images";

const [what, spec = "", threads = "1"] = process.argv.slice(2);
const started = performance.now();
const data = await openData(spec);
let count = data.length;
let seconds = (performance.now() - started) / 1000;
if (what === "load") {
  const loader = openLoader({ size: 112, threads: Number(threads) });
  const request = (index: number) => ({
    source: data.at(index).source,
    flip: false,
    degrade: { kind: "lr" as const, pixels: 16 },
  });
  const batch = (first: number) =>
    loader.load(Array.from({ length: 32 }, (_, i) => request((first + i) % data.length)));
  await batch(0);
  const begin = performance.now();
  count = 0;
  // A few batches under way, as training has.
  for (let first = 32; first + 128 <= data.length && count < 13_000; first += 128) {
    await Promise.all([0, 32, 64, 96].map((offset) => batch(first + offset)));
    count += 128;
  }
  seconds = (performance.now() - begin) / 1000;
  await loader.close();
}
if (what === "read") {
  // A walk that visits records all over the file: steps of a size that shares no factor with the number of records.
  const step = 7_368_787 % data.length;
  const store = openImageStore();
  const begin = performance.now();
  count = 0;
  for (let at = 0; count < Math.min(data.length, 200_000); at = (at + step) % data.length, count++)
    store.read(data.at(at).source as StoredSource);
  seconds = (performance.now() - begin) / 1000;
  store.close();
}
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
console.log(JSON.stringify({ seconds, count, peak: Number(peak) * 1024 }));
