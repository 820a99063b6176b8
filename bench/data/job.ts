import { openData } from "petalface/data";
import { openImageStore, openLoader, type StoredSource } from "petalface/images";
import { wallSeconds } from "../skeleton/turns.ts";

/** One measurement of a data set, in a process of its own. */
export interface Task {
  readonly what: "open" | "read" | "load";
  readonly spec: string;
  readonly threads?: number;
}

/** How many faces in how many seconds. */
export interface Counted {
  readonly seconds: number;
  readonly count: number;
}

export async function doTask({ what, spec, threads = 1 }: Task): Promise<Counted> {
  const started = performance.now();
  const data = await openData(spec);
  const opened = (performance.now() - started) / 1000;
  let count = 0;
  if (what === "open") return { seconds: opened, count: data.length };
  if (what === "read") {
    // A walk that visits records all over the file: steps of a size that shares no factor with the
    // number of records.
    const step = 7_368_787 % data.length;
    const store = openImageStore();
    const seconds = await wallSeconds(() => {
      for (let at = 0; count < Math.min(data.length, 200_000); at = (at + step) % data.length, count++)
        store.read(data.at(at).source as StoredSource);
    });
    store.close();
    return { seconds, count };
  }
  await using loader = openLoader({ size: 112, threads });
  const degrade = { kind: "lr", pixels: 16 } as const;
  const request = (index: number) => ({ source: data.at(index).source, flip: false, degrade });
  const batch = (first: number) =>
    loader.load(Array.from({ length: 32 }, (_, i) => request((first + i) % data.length)));
  await batch(0);
  const seconds = await wallSeconds(async () => {
    // A few batches under way, as training has.
    for (let first = 32; first + 128 <= data.length && count < 13_000; first += 128) {
      await Promise.all([0, 32, 64, 96].map((offset) => batch(first + offset)));
      count += 128;
    }
  });
  return { seconds, count };
}
