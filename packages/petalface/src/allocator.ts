import { setFlagsFromString } from "node:v8";

/**
 * Bytes from which on an allocation has pages of its own. They go back to the system when it is
 * freed; smaller ones lie next to each other, and their pages stay.
 */
const ownPages = 128 * 1024;

/** Parameters of glibc's mallopt, by the numbers of its malloc.h. */
const parameters = { trimThreshold: -1, mmapThreshold: -3 } as const;

/**
 * Keeps the C library from holding on to freed memory: for processes that run for days. glibc
 * raises the size from which on an allocation has pages of its own, to that of the largest one that
 * was freed, up to 32 MiB. Buffers of photos and batches then lie among small allocations that
 * stay, and up to 64 MiB are kept in reserve. This fixes the size where it begins.
 *
 * It has to be called before larger work. MALLOC_MMAP_THRESHOLD_ in the environment does the same.
 *
 * @returns false, and nothing is changed, with another C library or without the npm package koffi
 */
export async function returnFreedMemory(): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    const koffi = await import("koffi");
    const mallopt = koffi.load("libc.so.6").func("int mallopt(int parameter, int value)");
    return Object.values(parameters).every((parameter) => mallopt(parameter, ownPages) === 1);
  } catch {
    return false;
  }
}

/**
 * Keeps the room for new objects as small as it is now: for processes that run for days. V8 doubles
 * it again and again where objects live for a moment only, up to 64 MiB in each thread and as much
 * again for what it copies, and does not give it back. Objects are collected more often then.
 */
export function keepYoungGeneration(): void {
  // V8 reads this flag whenever it may grow, so it can be set in a process that runs.
  setFlagsFromString("--semi-space-growth-factor=1");
}
