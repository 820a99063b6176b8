import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PetalfaceError } from "../errors.ts";
import { installAgain } from "../installed.ts";
import { cudaAdvice } from "./cuda.ts";
import type { Provider } from "./types.ts";

const run = promisify(execFile);

/** Milliseconds that a provider may take to open and compute; drivers take one or two seconds. */
const patience = 30_000;

/** What needs to be there for a provider, for people. */
const needs: Readonly<Record<Provider, () => string>> = {
  cpu: () => installAgain(),
  cuda: () => cudaAdvice(),
  webgpu: () =>
    "it needs a GPU with a Vulkan, Metal or Direct3D 12 driver (on Linux also the Vulkan loader, libvulkan.so.1)",
};

/** What was found about a provider. */
export interface Probe {
  /** Why it cannot be used, in one line; undefined if it can. */
  readonly problem?: string | undefined;
  /** What would make it usable; only with a problem. */
  readonly todo?: string | undefined;
}

/**
 * Opens a provider and computes something in a process of its own, because a broken driver may
 * print, crash or hang. Never throws. Ends after `timeout` milliseconds at the latest.
 */
export async function probeProvider(provider: Provider, timeout = patience): Promise<Probe> {
  const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`./probe-worker.${ending}`, import.meta.url));
  try {
    await run(process.execPath, [script, provider], { timeout, killSignal: "SIGKILL" });
    return {};
  } catch (error) {
    const { stdout, signal, killed } = error as { stdout?: string; signal?: string | null; killed?: boolean };
    const why = killed
      ? `it did not answer within ${timeout / 1000} seconds: its driver hangs`
      : stdout?.trim() || (signal ? `its driver crashed (${signal})` : "the probe process failed");
    return { problem: why, todo: needs[provider]() };
  }
}

/**
 * One answer per provider and process: what a machine can do does not change while it runs, and
 * asking takes a second.
 */
const answers = new Map<Provider, Promise<Probe>>();

/**
 * Throws PetalfaceError with one line of what is wrong and what is needed if a provider other than
 * the CPU does not work here.
 */
export async function requireProvider(provider: Provider): Promise<void> {
  if (provider === "cpu") return;
  const answer = answers.get(provider) ?? probeProvider(provider);
  answers.set(provider, answer);
  const { problem, todo } = await answer;
  if (problem !== undefined)
    throw new PetalfaceError(
      "PETAL_ENGINE_FAILED",
      `'provider' ${provider} cannot be used on this machine: ${problem}; ${todo}, or use 'provider=cpu'`,
    );
}
