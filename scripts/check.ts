import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { outsideKernels } from "./indexed.ts";
import { numericKernels } from "./numeric-kernels.ts";

/**
 * Runs every check of the sources, several at once, and prints what those say that fail. Types are
 * checked incrementally: what the compiler knows of a project stays in node_modules/.cache.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const packages = `${root}/node_modules`;

interface Check {
  readonly name: string;
  /** A program of Node and its arguments. */
  readonly command: readonly string[];
  /** The problems among what it prints; default: all, if it fails. */
  readonly problems?: (output: string) => readonly string[];
}

const compile = (project: string, kind: string, ...more: string[]): string[] => {
  const name = project === "." ? "root" : project.replace("/", "-");
  const known = `${packages}/.cache/tsc/${name}-${kind}.tsbuildinfo`;
  // Tests of packages and benchmarks are numeric kernels: nothing is asked of their indexed items.
  const place = project === "." && kind === "indexed" ? "tsconfig.indexed.json" : project;
  // One thread: the other cores have other checks, and threads of one check share half of their
  // work only.
  const how = ["--noEmit", "--singleThreaded", "--incremental", "--tsBuildInfoFile", known];
  return [`${packages}/typescript/bin/tsc`, "-p", place, ...how, ...more];
};
const projects = [".", "apps/console", "apps/site", "apps/studio"];

/**
 * Whether a project has numeric kernels of its own. Without them its stricter check, with
 * `noUncheckedIndexedAccess`, has the errors of all its files. The packages' kernels are checked in
 * the root's project, also those that apps import.
 */
const hasKernels = (project: string): boolean =>
  project === "." || numericKernels.some((glob) => glob.startsWith(`${project}/`));

/** The longest first. */
const checks: readonly Check[] = [
  ...projects.flatMap((project): Check[] => {
    const indexed = compile(project, "indexed", "--pretty", "false", "--noUncheckedIndexedAccess");
    const strict = { name: `tsc -p ${project}, indexed items`, command: indexed, problems: outsideKernels };
    return hasKernels(project) ? [strict, { name: `tsc -p ${project}`, command: compile(project, "types") }] : [strict];
  }),
  { name: "biome", command: [`${packages}/@biomejs/biome/bin/biome`, "check", "."] },
  { name: "knip", command: [`${packages}/knip/bin/knip.js`] },
  { name: "wording", command: [`${root}/scripts/words.ts`] },
];

/**
 * The compiler, a program in Go, ends before its memory is full. Without collecting it on the way
 * a check takes a fifth less processor time and a fifth more memory, up to the limit here.
 */
const env = { ...process.env, GOGC: "off", GOMEMLIMIT: "1GiB" };

function outcome({ command }: Check): Promise<{ readonly status: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const parts: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output: Buffer.concat(parts).toString() }));
  });
}

async function run(check: Check): Promise<void> {
  const { status, output } = await outcome(check);
  if (status === 0) return;
  const problems = check.problems?.(output) ?? [output];
  // Ended by a signal, or without a word: a failure too.
  if (problems.length === 0 && status !== null && output !== "") return;
  console.error([`${check.name}:`, ...problems].join("\n"));
  process.exitCode = 1;
}

const waiting = checks.values();
const worker = async (): Promise<void> => {
  for (const check of waiting) await run(check);
};
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
