import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../../errors.ts";
import { type Mpi, openMpi, type Request as Pending } from "./abi.ts";
import type { Answer, Failure, Request, Transfer } from "./messages.ts";
import { openWatch, type Watch } from "./watch.ts";

// The one thread that calls MPI: transfers go on here while the engine holds the main thread, and
// here a dead rank is seen at once.

const port = parentPort;
if (port === null) throw new Error("this file is a worker thread's");
const answer = (message: Answer): void => port.postMessage(message);

/** Polls without a pause at first: on one machine a transfer takes microseconds. */
const eagerPolls = 200;
/** Then milliseconds between two, growing to the last. */
const pauses = { first: 0.05, factor: 1.5, last: 1 } as const;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** Transfers under way, and what MPI must find unmoved until they end. */
const pending = new Map<number, { readonly request: Pending; readonly transfer: Transfer }>();
let polling = false;
let hint = "";
let watch: Watch | undefined;
let mpi: Mpi;

function begin(id: number, transfer: Transfer): void {
  const { send, receive, received } = transfer;
  const request =
    transfer.kind === "join"
      ? mpi.join(send, receive, received.counts, received.places)
      : mpi.exchange(send, transfer.sent, receive, received);
  pending.set(id, { request, transfer });
  if (polling) return;
  polling = true;
  setImmediate(() => poll(0, pauses.first));
}

/** Looks at what is under way, and lets connections be served between two looks. */
function poll(count: number, pause: number): void {
  let ended = false;
  for (const [id, { request }] of pending) {
    try {
      if (!mpi.test(request)) continue;
      answer({ kind: "done", id });
    } catch (error) {
      answer({ kind: "failed", id, message: messageOf(error) });
    }
    pending.delete(id);
    ended = true;
  }
  if (pending.size === 0) {
    polling = false;
    return;
  }
  const eager = ended || count < eagerPolls;
  if (!eager) Atomics.wait(sleeper, 0, 0, pause);
  setImmediate(() => poll(ended ? 0 : count + 1, eager ? pauses.first : Math.min(pause * pauses.factor, pauses.last)));
}

/** Announces a failure. @returns the exit code */
async function fail(failure: Failure): Promise<number> {
  const ending = await watch?.fail(failure, pending.size === 0);
  if (ending === undefined) return failure.exitCode;
  if (ending.together) {
    watch?.leave();
    try {
      // A launcher takes a rank that ends without this for a crash. It then kills the others, and
      // its own exit code is not theirs.
      mpi.finalize();
    } catch {
      // The failure itself was announced, and is what people need.
    }
  }
  return ending.exitCode;
}

async function serve(request: Request): Promise<unknown> {
  switch (request.kind) {
    case "meet":
      watch = openWatch({
        rank: mpi.rank,
        hosts: request.hosts,
        // At once: the launcher may end this process next.
        print: (line) => void writeSync(2, `petalface: ${line}\n`),
        abort: (code) => mpi.abort(code),
        hint: () => hint,
      });
      return mpi.rank <= 1 ? await watch.meet() : undefined;
    case "watch":
      return await watch?.join(request.meetings);
    case "hint":
      hint = request.hint;
      return undefined;
    case "fail":
      return await fail(request.failure);
    case "close":
      watch?.leave();
      mpi.finalize();
      return undefined;
    default:
      throw new Error(`unknown request ${request.kind}`);
  }
}

try {
  mpi = await openMpi((workerData as { readonly names: readonly string[] }).names);
  answer({ kind: "ready", rank: mpi.rank, count: mpi.count, version: mpi.version });
} catch (error) {
  answer({ kind: "failed", id: 0, message: messageOf(error) });
}
port.on("message", (request: Request) => {
  const failed = (error: unknown): void => answer({ kind: "failed", id: request.id, message: messageOf(error) });
  try {
    if (request.kind === "join" || request.kind === "exchange") begin(request.id, request);
    else serve(request).then((value) => answer({ kind: "done", id: request.id, value }), failed);
  } catch (error) {
    failed(error);
  }
});
