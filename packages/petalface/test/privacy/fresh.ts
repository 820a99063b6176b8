import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Places that a program may write into without being asked, by the variable that names each. */
const places = {
  HOME: "home",
  USERPROFILE: "home",
  LOCALAPPDATA: "home",
  TMPDIR: "tmp",
  TEMP: "tmp",
  TMP: "tmp",
  XDG_CACHE_HOME: "xdg-cache",
  XDG_CONFIG_HOME: "xdg-config",
  XDG_DATA_HOME: "xdg-data",
  XDG_STATE_HOME: "xdg-state",
  XDG_RUNTIME_DIR: "xdg-runtime",
} as const;

/** A machine's places as a new user has them: empty, and nothing of the real user's. */
export interface FreshPlaces {
  /** Where the user works; what commands are asked to write goes here. */
  readonly work: string;
  /** petalface's own cache. */
  readonly cache: string;
  /** The whole environment of a process in these places. */
  readonly env: Readonly<Record<string, string>>;
  /** Files and folders in every place but `work` and `cache`, relative to the root of all. */
  strays(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function freshPlaces(): Promise<FreshPlaces> {
  const root = await mkdtemp(join(tmpdir(), "petalface-fresh-"));
  const [work, cache] = [join(root, "work"), join(root, "cache")];
  const folders = [...new Set(Object.values(places))];
  for (const folder of [work, cache, ...folders.map((name) => join(root, name))]) await mkdir(folder);
  const named = Object.fromEntries(Object.entries(places).map(([variable, folder]) => [variable, join(root, folder)]));
  return {
    work,
    cache,
    // Nothing else is inherited: onnxruntime also keeps still where CI or ORT_DISABLE_TELEMETRY are
    // set, which would hide a fault.
    env: { PATH: process.env.PATH ?? "", ...named, PETALFACE_CACHE: cache },
    async strays() {
      const found = await Promise.all(
        folders.map(async (folder) =>
          (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name)),
        ),
      );
      return found.flat().sort();
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/**
 * A network namespace without any way out, in which the kernel counts every attempt; the words that
 * start a program in one.
 */
const namespace = ["unshare", "--map-root-user", "--net"] as const;

/** Whether this machine lets a process have a network of its own. */
const namespaces =
  process.platform === "linux" && spawnSync(namespace[0], [...namespace.slice(1), "true"]).status === 0;
export const hasNamespaces = (): boolean => namespaces;

/**
 * Packets that were sent or had no way out in a network namespace since it was made, IPv4 and IPv6.
 */
const counters = `
const { readFileSync } = require("node:fs");
const [names, values] = readFileSync("/proc/net/snmp", "utf8").split("\\n").filter((line) => line.startsWith("Ip:"))
  .map((line) => line.split(" "));
const old = ["OutRequests", "OutNoRoutes"].map((name) => Number(values[names.indexOf(name)]));
const six = [...readFileSync("/proc/net/snmp6", "utf8").matchAll(/^Ip6Out(?:Requests|NoRoutes)\\s+(\\d+)/gm)];
console.log("packets", [...old, ...six.map((match) => Number(match[1]))].reduce((sum, value) => sum + value, 0));
`;

/** What a program in fresh places did. */
export interface FreshRun {
  readonly stdout: string;
  /** How many packets it tried to send; undefined where the machine has no network namespaces. */
  readonly packets: number | undefined;
}

/**
 * Runs Node with these arguments in fresh places, and in a network namespace of its own where the
 * machine allows one.
 */
export async function runFresh(args: readonly string[], { work, env }: FreshPlaces): Promise<FreshRun> {
  if (!hasNamespaces()) {
    const { stdout } = await run(process.execPath, [...args], { cwd: work, env });
    return { stdout, packets: undefined };
  }
  // Counted after the program, in its namespace, on a line of its own.
  const script = '"$0" "$@" && "$0" -e "$COUNT"';
  const command = [...namespace.slice(1), "sh", "-c", script, process.execPath, ...args];
  const { stdout: all } = await run(namespace[0], command, { cwd: work, env: { ...env, COUNT: counters } });
  const [, stdout, count] = /^(.*)packets (\d+)\n$/s.exec(all) ?? [];
  if (stdout === undefined) throw new Error(`the kernel's counters cannot be read: ${all}`);
  return { stdout, packets: Number(count) };
}
