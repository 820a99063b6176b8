import { availableParallelism, cpus, endianness } from "node:os";
import { PetalfaceError } from "../../errors.ts";
import { type Ranks, requireSame } from "../../ranks.ts";
import type { Provider } from "../../runtime/index.ts";
import { versions } from "../../versions.ts";
import type { TrainingOptions } from "../options/options.ts";

/** What the ranks of a run open, as far as it must be the same on all. */
export interface OpenedAlike {
  readonly options: TrainingOptions;
  readonly model: { readonly sha256: string };
  readonly data: { readonly fingerprint: string };
  readonly scores?: string | undefined;
  /** SHA-256 of the adapter that a new run starts from. */
  readonly init?: string | undefined;
  /** Fingerprint of the crops that a new run centres its adapter on. */
  readonly camera?: string | undefined;
  readonly session: { readonly threads: number; readonly provider: Provider };
  readonly prefixBytes: number;
}

/**
 * Compares what every rank has opened.
 *
 * @throws PetalfaceError (wrong usage) on all ranks that names the first difference
 */
export async function requireAlike(ranks: Ranks, opened: OpenedAlike): Promise<void> {
  if (ranks.count === 1) return;
  const { options, model, data, scores = "", init = "", camera = "", session, prefixBytes } = opened;
  // An option that is not given is not in a record that was read from disk.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const flags = given.map(([name, value]) => [`'${name}'`, JSON.stringify(value)]);
  const parts = Object.entries(await versions()).map(([name, version]) => [`version of ${name}`, version]);
  await requireSame(ranks, {
    ...Object.fromEntries([...parts, ...flags]),
    model: model.sha256,
    "set of training faces": data.fingerprint,
    "column of scores": scores,
    "adapter to start from": init,
    "set of the camera's crops": camera,
    "number of threads": String(session.threads),
    provider: session.provider,
    "size of the prefix cache": String(prefixBytes),
    "order of bytes": endianness(),
  });
}

/**
 * Threads of a rank where none are given: its share of the machine's cores, and as many on every
 * rank. Launchers may have bound the process to some cores already.
 */
export async function agreedThreads(ranks: Ranks): Promise<number> {
  if (ranks.count === 1) return availableParallelism();
  const local = ranks.hosts.filter((host) => host === ranks.hosts[ranks.rank]).length;
  const own = Math.max(1, Math.min(availableParallelism(), Math.floor(cpus().length / local)));
  const all = await ranks.gather([Float32Array.of(own)]);
  return Math.min(...all.map(([threads]) => threads?.[0] ?? 1));
}

/**
 * Refuses what several ranks cannot do with the bits of one.
 *
 * @throws PetalfaceError (wrong usage)
 */
export function refuseForRanks({ accumulate }: TrainingOptions, { count }: Ranks, isNew: boolean): void {
  if (count === 1) return;
  if (isNew && accumulate % count !== 0)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `'accumulate=${accumulate}' makes ${accumulate} parts of a step, which ${count} ranks cannot share evenly: give a multiple of ${count}`,
    );
}
