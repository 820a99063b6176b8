import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { openGallery } from "../../src/gallery/open.ts";
import { random } from "../../src/random.ts";
import { embeddingBy, facesOfPerson, recordOf } from "./fixtures.ts";

// Adds people, removes some and moves to another model, in an order that follows from a seed, until
// it is killed. It prints each step when it begins ("? add p7") and again when it is done ("! add
// p7").
// It reads the gallery's path from stdin.
const [seed = ""] = process.argv.slice(2);
const [path = ""] = await createInterface({ input: process.stdin })
  [Symbol.asyncIterator]()
  .next()
  .then(({ value }) => [value as string]);
const store = await openGallery(path);
// Who is killed keeps no compiled code for the next process, unless it does so before.
flushCompileCache();
const stream = random("adder", seed);
const people = new Set((await store.people()).map(({ name }) => name).filter((name) => name.startsWith("p")));
let model = (await store.record()).space.model;
for (let step = 0; ; step++) {
  const draw = stream.uniform();
  const names = [...people];
  const name = draw < 0.55 || names.length === 0 ? `p${seed}-${step}` : names[stream.int(names.length)];
  const next = model === "model" ? "other" : "model";
  const [kind, target] =
    draw >= 0.85 ? ["migrate", next] : draw < 0.55 || names.length === 0 ? ["add", name] : ["remove", name];
  writeSync(1, `? ${kind} ${target}\n`);
  if (kind === "add") {
    await store.add(target, facesOfPerson(target, model));
    people.add(target);
  } else if (kind === "remove") {
    await store.remove(target);
    people.delete(target);
  } else {
    const migration = await store.migrate(recordOf(next));
    for (let after = 0; ; ) {
      const faces = await migration.missing(after, 1500);
      after = faces.at(-1)?.id ?? 0;
      if (faces.length === 0) break;
      await migration.put(faces.map(({ id, source }) => ({ id, embedding: embeddingBy(source, next) })));
    }
    if (!(await migration.finish())) throw new Error("a face was left out");
    model = next;
  }
  writeSync(1, `! ${kind} ${target}\n`);
}
