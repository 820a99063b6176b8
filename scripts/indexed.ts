import { matchesGlob } from "node:path";
import { numericKernels } from "./numeric-kernels.ts";

/**
 * What remains of the compiler's errors with `noUncheckedIndexedAccess`: that option is on for all
 * files but the numeric kernels. There `list[i]` is `T | undefined` until it is checked. The
 * compiler has the option for a whole project only, so its errors are filtered by file.
 *
 * @param output of `tsc --pretty false`, with paths from the root
 */
export function outsideKernels(output: string): string[] {
  // A line that names no file belongs to the error before it; before the first, to none.
  let counts = true;
  return output.split(/\r?\n/).filter((line) => {
    const file = /^(\S[^(]*)\(\d+,\d+\): error /.exec(line)?.[1];
    if (file !== undefined) counts = !numericKernels.some((glob) => matchesGlob(file, glob));
    return counts && line !== "";
  });
}
