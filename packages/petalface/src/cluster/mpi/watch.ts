import { randomBytes, timingSafeEqual } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { entryOf } from "onnx-grad";
import type { Ending, Failure, Meeting } from "./messages.ts";

/** A line between a rank and rank 0. */
type Line =
  | { readonly hello: number; readonly pid: number; readonly secret: string }
  | { readonly failed: Failure; readonly idle: boolean }
  | { readonly bye: true }
  | { readonly alive: true }
  | { readonly end: Ending };

/** What a {@link Watch} knows of this rank, and does at the end. */
export interface WatchOptions {
  readonly rank: number;
  readonly hosts: readonly string[];
  /** Writes one line for people. */
  readonly print: (line: string) => void;
  /** Ends all ranks: some of them may be stuck. */
  readonly abort: (exitCode: number) => void;
  /** What to do next, for people; "" for none. */
  readonly hint: () => string;
}

/** Sees when a rank dies or fails, and says so once. */
export interface Watch {
  /** Rank 0, and rank 1 in case rank 0 dies, begin to listen. */
  meet(): Promise<Meeting>;
  /** The others connect to both. False where one of them cannot be reached. */
  join(meetings: readonly Meeting[]): Promise<boolean>;
  /**
   * This rank has failed.
   *
   * @param idle whether this rank waits in no transfer
   * @returns how to end, once the failure was announced
   */
  fail(failure: Failure, idle: boolean): Promise<Ending>;
  /** Every rank has done its work: connections that close from now on mean nothing. */
  leave(): void;
}

/** Milliseconds between two signs of life, and without one until a rank counts as dead. */
const pulse = 5000;
const silence = 60_000;
/**
 * Milliseconds that rank 0 waits for the other ranks' failures, to say whether all failed alike.
 */
const gathering = 3000;
/** Milliseconds that a rank waits for rank 1 to say that rank 0 died. */
const turn = 3000;
/**
 * Milliseconds after which a rank that is asked to end does so: there are launchers that leave it
 * running.
 */
const grace = 2000;

const send = (socket: Socket, line: Line): void => {
  if (!socket.destroyed) socket.write(`${JSON.stringify(line)}\n`);
};

/** Longest line that is waited for, in characters: who sends more is no rank. */
const longestLine = 100_000;

/**
 * Reads a connection line by line. One that breaks is closed, which shows that the other side died.
 */
function listen(socket: Socket, onLine: (line: Line) => void): void {
  let begun = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    try {
      for (const line of lines) onLine(JSON.parse(line) as Line);
    } catch {
      socket.destroy();
    }
    if (begun.length > longestLine) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
}

/**
 * Opens a {@link Watch}. It works by connections of TCP to rank 0, which the system closes when a
 * process dies.
 */
export function openWatch({ rank, hosts, print, abort, hint }: WatchOptions): Watch {
  const others = new Map<number, { readonly socket: Socket; readonly pid: number; heard: number }>();
  const failures = new Map<number, Failure>();
  const idle = new Set<number>();
  const left = new Set<number>();
  let server: Server | undefined;
  /** To rank 0, and to rank 1. */
  const up: Socket[] = [];
  let firstDied = false;
  let firstLeft = false;
  let ended = false;
  let leaving = false;
  let conclude: ((ending: Ending) => void) | undefined;
  const timers: NodeJS.Timeout[] = [];

  /** Announces the end, and ends all ranks. */
  const end = (exitCode: number, stuck: boolean, line = ""): void => {
    ended = true;
    const ending: Ending = { exitCode, together: !stuck && idle.size === hosts.length };
    // First to the other ranks: the launcher may end this one because of the line, and they would
    // announce that too.
    for (const { socket } of others.values()) send(socket, { end: ending });
    if (line !== "") print(line);
    // What was sent must be out before the connections break.
    setTimeout(() => {
      if (stuck) abort(exitCode);
      conclude?.(ending);
    }, 100);
  };
  const lost = (who: number, how: string): void => {
    // Rank 1 listens for the case that rank 0 dies.
    if (ended || leaving || left.has(who) || failures.has(who) || (rank === 1 && !firstDied)) return;
    const pid = others.get(who)?.pid;
    const process = pid === undefined ? "" : ` (process ${pid})`;
    end(1, true, `rank ${who} on ${hosts[who]}${process} ${how}, so all ranks stop${hint()}`);
  };
  const failed = (who: number, failure: Failure, isIdle: boolean): void => {
    failures.set(who, failure);
    if (isIdle) idle.add(who);
    if (failures.size === 1 && hosts.length > 1) setTimeout(announce, gathering);
    if (failures.size === hosts.length) announce();
  };
  const announce = (): void => {
    if (ended) return;
    const who = Math.min(...failures.keys());
    const { message, exitCode } = entryOf(failures, who);
    const all = failures.size === hosts.length;
    end(exitCode, !all, all || message === "" ? message : `rank ${who} on ${hosts[who]}: ${message}`);
  };
  const beat = (): void => {
    const line: Line = { alive: true };
    for (const socket of up) send(socket, line);
    for (const [who, { socket, heard }] of others) {
      send(socket, line);
      if (performance.now() - heard > silence) lost(who, `has not answered for ${silence / 1000} s`);
    }
  };
  const watchOthers = (socket: Socket, secret: string): void => {
    let who: number | undefined;
    listen(socket, (line) => {
      if (who === undefined) {
        if (!("hello" in line) || !isSame(line.secret, secret)) return void socket.destroy();
        who = line.hello;
        others.set(who, { socket, pid: line.pid, heard: performance.now() });
        return;
      }
      const other = others.get(who);
      if (other !== undefined) other.heard = performance.now();
      if ("bye" in line) left.add(who);
      if ("failed" in line) failed(who, line.failed, line.idle);
    });
    for (const event of ["end", "close"])
      socket.on(event, () => {
        if (who !== undefined) lost(who, "ended unexpectedly");
      });
  };
  const firstGone = (): void => {
    if (ended || leaving || firstLeft) return;
    // Rank 1 at once: MPICH's launcher ends it within milliseconds.
    firstDied = true;
    if (rank === 1) announceFirst();
    else setTimeout(announceFirst, turn);
  };
  const announceFirst = (): void => {
    if (ended || leaving) return;
    end(1, true, `rank 0 on ${hosts[0]} ended unexpectedly, so all ranks stop${hint()}`);
  };
  const keep = (timer: NodeJS.Timeout): void => {
    timer.unref();
    timers.push(timer);
  };

  return {
    async meet() {
      const secret = randomBytes(16).toString("hex");
      const local = hosts.every((host) => host === hosts[0]);
      const opened = createServer((socket) => watchOthers(socket, secret));
      server = opened;
      await new Promise<void>((resolve, reject) => {
        opened.once("error", reject);
        opened.listen(0, local ? "127.0.0.1" : undefined, resolve);
      });
      const place = opened.address();
      const port = typeof place === "object" && place !== null ? place.port : 0;
      if (rank === 0) keep(setInterval(beat, pulse));
      return { addresses: local ? ["127.0.0.1"] : ownAddresses(), port, secret };
    },
    async join(meetings) {
      keep(setInterval(beat, pulse));
      for (const [to, meeting] of meetings.entries()) {
        if (to >= rank) break;
        const socket = await reachAny(meeting);
        if (socket === undefined) return false;
        up.push(socket);
        listen(socket, (line) => {
          if ("bye" in line && to === 0) firstLeft = true;
          if (!("end" in line)) return;
          ended = true;
          conclude?.(line.end);
          if (!line.end.together) setTimeout(() => process.kill(process.pid, "SIGKILL"), grace).unref();
        });
        for (const event of to === 0 ? ["end", "close"] : []) socket.on(event, firstGone);
        send(socket, { hello: rank, pid: process.pid, secret: meeting.secret });
      }
      return true;
    },
    fail(failure, isIdle) {
      return new Promise((resolve) => {
        conclude = resolve;
        if (rank === 0) failed(0, failure, isIdle);
        // If rank 0 has died, that is why this one fails, and the line about rank 0 is enough.
        else if (up[0] !== undefined) send(up[0], { failed: failure, idle: isIdle });
        else {
          print(`rank ${rank} on ${hosts[rank]}: ${failure.message}`);
          abort(failure.exitCode);
          resolve({ exitCode: failure.exitCode, together: false });
        }
      });
    },
    leave() {
      leaving = true;
      for (const timer of timers) clearInterval(timer);
      // In both directions: whoever is slower must not take the end of a connection for a death.
      for (const socket of [...up, ...[...others.values()].map((other) => other.socket)]) {
        send(socket, { bye: true });
        socket.end();
      }
      server?.close();
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(String(one)), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith("fe80"))
      .map(({ address }) => address),
  );

/** A connection to the first of some addresses that can be reached. */
async function reachAny({ addresses, port }: Meeting): Promise<Socket | undefined> {
  for (const host of addresses) {
    const socket = await reach(host, port);
    if (socket !== undefined) return socket;
  }
  return undefined;
}

/** A connection, or undefined where there is none within three seconds. */
function reach(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 3000 });
    const done = (result: Socket | undefined): void => {
      socket.removeAllListeners();
      socket.setTimeout(0);
      if (result === undefined) socket.destroy();
      socket.on("error", () => socket.destroy());
      resolve(result);
    };
    socket.once("connect", () => done(socket));
    socket.once("timeout", () => done(undefined));
    socket.once("error", () => done(undefined));
  });
}
