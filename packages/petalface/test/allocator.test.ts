import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const report = process.report.getReport() as unknown as { readonly header: { readonly glibcVersionRuntime?: string } };
const [, major = 0, minor = 0] = /^(\d+)\.(\d+)/.exec(report.header.glibcVersionRuntime ?? "")?.map(Number) ?? [];
// mallinfo2 came with glibc 2.33.
const hasMallinfo = process.platform === "linux" && (major > 2 || (major === 2 && minor >= 33));
const note = hasMallinfo ? "" : " (needs Linux with glibc 2.33)";

/**
 * Frees a large allocation, then asks how many of 64 others of one MiB have pages of their own. Some
 * more or fewer are Node's, whose other threads work too.
 */
const program = (isTuned: boolean): string => `
  import koffi from "koffi";
  import { returnFreedMemory } from ${JSON.stringify(new URL("../src/allocator.ts", import.meta.url).href)};
  if (${isTuned} && !(await returnFreedMemory())) throw new Error("not changed");
  const library = koffi.load("libc.so.6");
  const names = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"];
  koffi.struct("mallinfo2", Object.fromEntries(names.map((name) => [name, "size_t"])));
  const info = library.func("mallinfo2 mallinfo2()");
  const malloc = library.func("void *malloc(size_t)");
  const free = library.func("void free(void *)");
  free(malloc(16 * 2 ** 20));
  const before = Number(info().hblks);
  for (let count = 0; count < 64; count++) malloc(2 ** 20);
  console.log(Number(info().hblks) - before);
`;

function ownPages(isTuned: boolean): number {
  const args = ["--input-type=module", "--eval", program(isTuned)];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8", cwd: import.meta.dirname }));
}

test.skipIf(!hasMallinfo)(`freed memory goes back to the system, also after large allocations${note}`, () => {
  expect(ownPages(false)).toBeLessThan(32);
  expect(ownPages(true)).toBeGreaterThan(32);
});

/** Makes objects, of which some live on, and says how many MiB V8 has for new ones. */
const making = (isKept: boolean): string => `
  import { getHeapSpaceStatistics } from "node:v8";
  import { keepYoungGeneration } from ${JSON.stringify(new URL("../src/allocator.ts", import.meta.url).href)};
  if (${isKept}) keepYoungGeneration();
  const kept = [];
  for (let count = 0; count < 3e6; count++) kept[count % 200_000] = { count, list: [count] };
  console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size / 2 ** 20);
`;

test("the room for new objects stays small", () => {
  const room = (isKept: boolean): number =>
    Number(execFileSync(process.execPath, ["--input-type=module", "--eval", making(isKept)], { encoding: "utf8" }));
  expect(room(false)).toBeGreaterThan(16);
  expect(room(true)).toBeLessThan(8);
});
