import { writeSync } from "node:fs";
import { openGallery } from "../../src/gallery/index.ts";
import { faceOf } from "./fixtures.ts";

// Adds people, removes every fifth step the one before the last, and says each step when it is done; until it is killed.
const store = await openGallery(process.argv[2]);
for (let step = 0; ; step++) {
  if (step % 5 === 4) await store.remove(`person ${step - 2}`);
  else {
    const name = `person ${step}`;
    await store.add(
      name,
      [0, 1, 2].map((face) => faceOf(`${name}/${face}`)),
    );
  }
  writeSync(1, `${step}\n`);
}
