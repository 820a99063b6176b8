/** Bytes of a file's beginning that {@link placeholderOf} looks at. */
export const placeholderBytes = 512;

const pointer = /^version https:\/\/(?:git-lfs|hawser)\.github\.com\/spec\//;
/** How pages begin that servers send in place of a file: sign-in forms, errors. */
const page = /^(?:\u00ef\u00bb\u00bf)?\s*<(?:!--|!doctype|html|head|body|\?xml)/i;

/**
 * What stands in the place of a file that was not fetched: a pointer of Git LFS, or the page that a
 * server sent instead. Files of any kind can meet this.
 *
 * @param start the file's first {@link placeholderBytes} bytes, or all of a shorter one
 * @returns the end of a sentence that says what it is and what to do; undefined for everything else
 */
export function placeholderOf(start: Uint8Array): string | undefined {
  const text = Buffer.from(start.buffer, start.byteOffset, Math.min(placeholderBytes, start.length)).toString("latin1");
  if (pointer.test(text)) return "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`";
  // A drawing is a file of its own kind.
  if (page.test(text) && !/<svg/i.test(text))
    return "a web page or XML, not what its name says; download the file itself";
  return undefined;
}
