import type { Command } from "commander";

/** Options of commands that keep embeddings. */
export interface CacheFlags {
  /** False under `--no-cache`. */
  readonly cache: boolean;
}

/** Adds `--no-cache`. */
export function withCacheOption(command: Command): Command {
  return command.option(
    "--no-cache",
    "compute every embedding again and keep none (they are kept in PETALFACE_CACHE, up to PETALFACE_CACHE_GB gigabytes, 8 unless set; 0 keeps none)",
  );
}
