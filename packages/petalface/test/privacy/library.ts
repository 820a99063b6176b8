/**
 * A program that uses petalface as a library: opens a model and runs it, in the main thread or only
 * in a worker. As `engine` it opens the model in a thread of the library's, and is meanwhile busy
 * with native code: for longer than the thread waits for an answer of the main one.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { isMainThread, Worker } from "node:worker_threads";

const [, , model = "", where = "main"] = process.argv;

if (where === "worker" && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: [model, "worker"] });
} else if (where === "engine") {
  const [{ readModel }, { openSession }] = await Promise.all([import("onnx-grad"), import("petalface/runtime")]);
  const keeper = { lost: () => undefined, back: () => undefined, failed: () => undefined };
  const opening = openSession(await readModel(model), { threads: 1, ownThread: keeper });
  await once(process, "worker");
  execFileSync(process.execPath, ["-e", "setTimeout(() => {}, 13_000)"]);
  await (await opening).close();
  console.log("opened");
} else {
  const { openModelFile } = await import("petalface/runtime");
  const session = await openModelFile(model, 1);
  await session.close();
  console.log("opened");
}
