/**
 * Loaded before a measured program (`node --import`): when it ends, writes the peak of its resident
 * memory in bytes to the file that PEAK_FILE names.
 */
import { readFileSync, writeFileSync } from "node:fs";

process.on("exit", () => {
  const status = readFileSync("/proc/self/status", "utf8");
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  writeFileSync(process.env.PEAK_FILE as string, String(Number(line?.[1]) * 1024));
});
