import { execFileSync } from "node:child_process";
import { cpus, loadavg } from "node:os";

/** A table in Markdown. */
export const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** Adds a row to those of a table, and shows it at once. */
export function addRow(rows: string[][], row: string[]): void {
  rows.push(row);
  console.error(row.join("  "));
}

/** Bytes as megabytes, `394`. */
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

/** A whole number with commas, `13,233`. */
export const whole = (value: number): string => Math.round(value).toLocaleString("en");

/** Number of cores and name of the processor. */
export const processor = `${cpus()[0]?.model.trim()}, ${cpus().length} cores`;

/** What must be known of a run when it begins. */
export interface Beginning {
  readonly time: number;
  readonly load: number;
}

export const beginning = (): Beginning => ({ time: Date.now(), load: loadavg()[0] ?? 0 });

/**
 * Where and when numbers were made: date, commit, processor, versions, load of the machine at the
 * start and minutes.
 */
export function circumstances(begin: Beginning, versions: readonly string[] = []): string {
  const node = `Node ${process.versions.node}`;
  const minutes = (Date.now() - begin.time) / 60_000;
  return (
    `${new Date(begin.time).toISOString().slice(0, 10)}, ${commit()}; ${processor}; ${[...versions, node].join(", ")}; ` +
    `load of the machine at the start ${begin.load.toFixed(1)}; ${minutes.toFixed(1)} minutes.`
  );
}

/** The commit that the sources are of; says so where they differ from it. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `commit ${git("rev-parse", "--short", "HEAD")}${changed ? " with changes" : ""}`;
  } catch {
    return "commit unknown";
  }
}
