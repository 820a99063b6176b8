import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { photoFolder, samplePhotos } from "./sample.ts";

const program = join(import.meta.dirname, "../../packages/petalface/src/cli/main.ts");

/**
 * Photos a second and peak of resident memory in bytes of `petalface align` on the sample; the
 * better of two runs.
 */
export function measureSpeed(detector: string, work: string): { readonly rate: number; readonly peak: number } {
  let best = { rate: 0, peak: 0 };
  for (const run of [0, 1]) {
    const out = join(work, `speed-${run}`);
    // Node says its own peak at the end, workers included.
    const say = "process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS+'\\n'))";
    const imported = `data:text/javascript,import{isMainThread}from'node:worker_threads';if(isMainThread)${say}`;
    const args = [
      "--import",
      imported,
      program,
      "align",
      photoFolder,
      "--out",
      out,
      "--detector",
      detector,
      "--threads",
      "2",
    ];
    const began = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const seconds = (performance.now() - began) / 1000;
    rmSync(out, { recursive: true, force: true });
    if (status !== 0) throw new Error(stderr);
    const rate = samplePhotos.length / seconds;
    const peak = 1024 * Number(/peak (\d+)/.exec(stderr)?.[1]);
    if (rate > best.rate) best = { rate, peak };
  }
  return best;
}
