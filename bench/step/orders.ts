import { readSync } from "node:fs";
import { usage } from "../skeleton/measured.ts";

const say = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/** Waits for a line, and holds up everything on this thread meanwhile. */
function readOrder(): number {
  const byte = new Uint8Array(1);
  let line = "";
  while (readSync(0, byte) === 1 && byte[0] !== 10) line += String.fromCharCode(byte[0]);
  return Number(line);
}

/**
 * Takes the orders of {@link startContender} on standard input, in the process of our contender.
 * The result is to be called after each step. Between two orders the training stands still.
 *
 * @param targets how many targets were computed so far
 */
export function takeOrders(targets: () => number = () => 0): (loss: number) => void {
  const started = performance.now();
  let [steps, left, begin, used, before] = [0, 0, 0, process.cpuUsage(), 0];
  return (loss) => {
    left--;
    if (left > 0) return;
    if (steps === 0) say({ loss, startup: (performance.now() - started) / 1000 });
    else {
      const { user, system } = process.cpuUsage(used);
      const each = (value: number): number => value / steps;
      const seconds = each((performance.now() - begin) / 1000);
      say({ seconds, processor: each((user + system) / 1e6), targets: each(targets() - before), loss });
    }
    steps = readOrder();
    left = steps;
    if (steps === 0) {
      say({ peak: usage().peak });
      process.exit(0);
    }
    [begin, used, before] = [performance.now(), process.cpuUsage(), targets()];
  };
}
