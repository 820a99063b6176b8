// The process of a server loads this (--import): for SIGUSR2 it collects garbage, then writes one
// line on its memory to stderr.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

/** Memory of a server once garbage is gone, in bytes. */
export interface MemoryLine {
  /** What is in use: objects, and buffers outside of the heap. */
  readonly used: number;
  readonly resident: number;
}

if (isMainThread) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  process.on("SIGUSR2", async () => {
    for (let round = 0; round < 3; round++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    const line: MemoryLine = { used: heapUsed + external, resident: rss };
    process.stderr.write(`memory ${JSON.stringify(line)}\n`);
  });
}
