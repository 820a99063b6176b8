/** The parts of package-lock.json (version 3) that are used here. */
export interface Lock {
  readonly packages: Record<string, LockEntry>;
}

/** One installed package, by its path. */
export interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly license?: string;
  /** It is a workspace; `resolved` is its folder. */
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
/** `arm` comes last, since `arm64` contains it. */
const processors = ["arm64", "ia32", "ppc64", "riscv64", "s390x", "x64", "arm"];

/**
 * Which machines a package of prebuilt files is for, as its name says:
 * `@scope/binding-linux-arm64-musl`.
 */
function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } | undefined {
  const words = (name.split("/").at(-1) as string).split("-");
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.some((word) => word.startsWith("musl")) ? "musl" : "glibc";
  return { os: [os], cpu: [cpu], ...(os === "linux" && { libc: [libc] }) };
}

/** The entry that a package at `path` finds as `name`: in its own node_modules, or further up. */
export function placeOf(lock: Lock, path: string, name: string): string | undefined {
  for (let place = path; ; ) {
    const candidate = `${place === "" ? "" : `${place}/`}node_modules/${name}`;
    if (Object.hasOwn(lock.packages, candidate)) return candidate;
    if (place === "") return undefined;
    place = place.slice(0, Math.max(0, place.lastIndexOf("node_modules/") - 1));
  }
}

/** Optional dependencies that the lock names and does not hold; `npm ci` refuses such a lock. */
export function missingOptional(
  lock: Lock,
): { readonly name: string; readonly version: string; readonly dev: boolean }[] {
  return Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {}, dev = false }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => placeOf(lock, path, name) === undefined)
      .map(([name, version]) => ({ name, version, dev })),
  );
}

/**
 * The lock with an entry for each missing optional dependency. npm leaves those out which the
 * registry that wrote the lock did not have (prebuilt files for other machines), and then refuses
 * its own lock.
 *
 * @throws Error where the version or the machine cannot be determined.
 */
export function completeLock(lock: Lock): Lock {
  const packages = { ...lock.packages };
  for (const { name, version, dev } of missingOptional(lock)) {
    const platform = platformOf(name);
    if (platform === undefined || !/^\d+\.\d+\.\d+/.test(version))
      throw new Error(
        `${name}@${version}: for which machine is it, in which version? Add it to package-lock.json by hand`,
      );
    packages[`node_modules/${name}`] = { version, ...platform, ...(dev && { dev }), optional: true };
  }
  const [own, ...others] = Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...lock, packages: Object.fromEntries(own === undefined ? [] : [own, ...others]) };
}
