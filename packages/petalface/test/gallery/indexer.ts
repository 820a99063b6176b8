import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { openGallery } from "../../src/gallery/open.ts";

// Builds the index of a gallery again and again, until it is killed. It prints a line when it
// begins and when it is done, and reads the gallery's path from stdin.
const [path = ""] = await createInterface({ input: process.stdin })
  [Symbol.asyncIterator]()
  .next()
  .then(({ value }) => [value as string]);
const store = await openGallery(path);
// Who is killed keeps no compiled code for the next process, unless it does so before.
flushCompileCache();
for (;;) {
  writeSync(1, "? index\n");
  await store.buildIndex();
  writeSync(1, "! index\n");
}
