import { Session as Inspector } from "node:inspector";
import { isMainThread } from "node:worker_threads";
import { messageOf, PetalfaceError } from "../errors.ts";

/** onnxruntime's package as it is imported. */
export type Onnxruntime = typeof import("onnxruntime-node");

/**
 * What onnxruntime reads when its library starts: 1 keeps it from collecting, storing and sending
 * anything.
 */
const switchOff = "ORT_DISABLE_TELEMETRY";

/** What a user sets to 1 who wants onnxruntime's telemetry as it comes. */
const optIn = "PETALFACE_ORT_TELEMETRY";

/**
 * Milliseconds that the main thread has for its answer to a worker; it answers in two, also amid a
 * long calculation.
 */
const patience = 10_000;

/** Whether this environment leaves onnxruntime's telemetry on. */
export const telemetryWanted = (env: Readonly<NodeJS.ProcessEnv>): boolean =>
  env[optIn] === "1" && env[switchOff] !== "1";

/**
 * Loads onnxruntime, with its telemetry switched off first unless PETALFACE_ORT_TELEMETRY=1. This
 * is the only place that imports it: the switch is read once, when the native library starts.
 *
 * @throws PetalfaceError where its library does not load; in a worker thread where the switch
 * cannot be set for the process
 */
export async function loadOnnxruntime(): Promise<Onnxruntime> {
  if (!telemetryWanted(process.env)) await switchTelemetryOff();
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    const reason = messageOf(cause).trim().split("\n")[0];
    throw new PetalfaceError(
      "PETAL_ENGINE_FAILED",
      `onnxruntime does not load: ${reason}; install petalface again on this machine`,
      {
        cause,
      },
    );
  }
}

/**
 * To be called before a thread is started that loads onnxruntime: the main thread may be in native
 * code, and so silent, for longer than the thread asks it.
 */
export function prepareThreads(): void {
  // A worker's process.env is a copy: what it says there would be taken for the process's.
  if (isMainThread && !telemetryWanted(process.env)) process.env[switchOff] = "1";
}

async function switchTelemetryOff(): Promise<void> {
  const inherited = process.env[switchOff] === "1";
  process.env[switchOff] = "1";
  if (isMainThread) return;
  // A worker's process.env is a copy that native code does not see, so the main thread sets its
  // own.
  try {
    await evaluateInMain(`process.env.${switchOff} = "1"; process.env.${switchOff}`);
  } catch (error) {
    if (inherited) return;
    const message = `onnxruntime's telemetry cannot be switched off from this worker thread: set ${switchOff}=1 where the program is started, or ${optIn}=1 to allow it`;
    throw new PetalfaceError("PETAL_ENGINE_FAILED", message, { cause: error });
  }
}

async function evaluateInMain(expression: string): Promise<void> {
  const inspector = new Inspector();
  inspector.connectToMainThread();
  try {
    await new Promise<void>((resolve, reject) => {
      // The timer also keeps this thread alive while it waits.
      const timer = setTimeout(() => reject(new Error("the main thread does not answer")), patience);
      inspector.post("Runtime.evaluate", { expression, returnByValue: true }, (error, answer) => {
        clearTimeout(timer);
        if (error === null && answer.result.value === "1") resolve();
        else reject(error ?? new Error("the main thread's environment cannot be set"));
      });
    });
  } finally {
    inspector.disconnect();
  }
}
