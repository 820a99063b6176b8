import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * The folder where petalface keeps what it fetched: PETALFACE_CACHE, else the platform's place for
 * caches (XDG_CACHE_HOME or ~/.cache on Linux, ~/Library/Caches on macOS, LOCALAPPDATA on Windows),
 * absolute. Not created here.
 */
export function cacheFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  if (env.PETALFACE_CACHE) return resolve(env.PETALFACE_CACHE);
  if (env.XDG_CACHE_HOME) return resolve(env.XDG_CACHE_HOME, "petalface");
  if (platform === "win32") return resolve(env.LOCALAPPDATA ?? join(home, "AppData", "Local"), "petalface", "Cache");
  if (platform === "darwin") return resolve(home, "Library", "Caches", "petalface");
  return resolve(home, ".cache", "petalface");
}
