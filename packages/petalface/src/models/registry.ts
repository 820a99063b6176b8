import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** The user's npm settings that pacote needs to reach the registry as npm itself would. */
export interface RegistryOptions {
  readonly registry?: string;
  readonly cache?: string;
  readonly proxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
  readonly strictSSL?: boolean;
  readonly ca?: string | readonly string[];
}

const run = promisify(execFile);

/**
 * `npm config` must not check for a newer npm, and must leave neither a log nor compiled code
 * behind.
 */
const quietly = {
  npm_config_update_notifier: "false",
  npm_config_logs_max: "0",
  NODE_DISABLE_COMPILE_CACHE: "1",
} as const;

async function npmConfig(): Promise<Record<string, unknown>> {
  try {
    const windows = process.platform === "win32";
    const { stdout } = await run(windows ? "npm.cmd" : "npm", ["config", "list", "--json"], {
      shell: windows,
      env: { ...process.env, ...quietly },
      timeout: 20_000,
      maxBuffer: 1 << 24,
    });
    return JSON.parse(stdout) as Record<string, unknown>;
  } catch {
    // No npm on the PATH: pacote's defaults and the environment below still reach the public
    // registry.
    return {};
  }
}

/**
 * npm's `cafile` as the list of certificates that pacote takes; undefined where there is none, or
 * it cannot be read.
 */
async function readCertificates(path: string | undefined): Promise<string[] | undefined> {
  const text = path && (await readFile(path, "utf8").catch(() => undefined));
  const end = "-----END CERTIFICATE-----";
  return text
    ? text
        .split(end)
        .filter((part) => part.trim())
        .map((part) => `${part.trimStart()}${end}`)
    : undefined;
}

/**
 * The registry, cache, proxies and certificates that npm is configured with (.npmrc files and
 * npm_config_* variables), as pacote's options. Tokens are not among them: npm does not print
 * those, and the packages wanted here are public.
 */
export async function registryOptions(): Promise<RegistryOptions> {
  const config = await npmConfig();
  const registry = config.registry ?? process.env.npm_config_registry ?? process.env.NPM_CONFIG_REGISTRY;
  const text = (key: string): string | undefined =>
    typeof config[key] === "string" && config[key] ? config[key] : undefined;
  const options: Record<string, unknown> = {
    registry,
    cache: text("cache") && `${text("cache")}/_cacache`,
    proxy: text("proxy"),
    httpsProxy: text("https-proxy"),
    noProxy: Array.isArray(config.noproxy) ? config.noproxy.join(",") || undefined : text("noproxy"),
    strictSSL: config["strict-ssl"],
    ca: config.ca ?? (await readCertificates(text("cafile"))),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
