/**
 * A program that uses petalface as a library: opens a model and runs it, in the main thread or only
 * in a worker.
 */
import { isMainThread, Worker } from "node:worker_threads";

const [, , model = "", where = "main"] = process.argv;

if (where === "worker" && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: [model, "worker"] });
} else {
  const { openModelFile } = await import("petalface/runtime");
  const session = await openModelFile(model, 1);
  await session.close();
  console.log("opened");
}
