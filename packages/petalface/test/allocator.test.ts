import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const report = process.report.getReport() as unknown as { readonly header: { readonly glibcVersionRuntime?: string } };
const [, major = 0, minor = 0] = /^(\d+)\.(\d+)/.exec(report.header.glibcVersionRuntime ?? "")?.map(Number) ?? [];
// mallinfo2 came with glibc 2.33.
const hasMallinfo = process.platform === "linux" && (major > 2 || (major === 2 && minor >= 33));
const note = hasMallinfo ? "" : " (needs Linux with glibc 2.33)";

/**
 * Frees a large allocation, then asks how many of eight others of one MiB have pages of their own.
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
  for (let count = 0; count < 8; count++) malloc(2 ** 20);
  console.log(Number(info().hblks) - before);
`;

function ownPages(isTuned: boolean): number {
  const args = ["--input-type=module", "--eval", program(isTuned)];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8", cwd: import.meta.dirname }));
}

test.skipIf(!hasMallinfo)(`freed memory goes back to the system, also after large allocations${note}`, () => {
  expect(ownPages(false)).toBe(0);
  expect(ownPages(true)).toBe(8);
});
