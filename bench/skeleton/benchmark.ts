import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { usage } from "./measured.ts";
import { type Option, type Options, printOptions, readOptions, type Values } from "./options.ts";
import { beginning, circumstances } from "./page.ts";
import { makePython, type Python } from "./python.ts";
import { UsageError } from "./usage-error.ts";

/** What a run of a benchmark is given. */
export interface Place {
  /**
   * Folder for what it makes: thrown away at the end, unless the benchmark keeps it for the next
   * run.
   */
  readonly work: string;
  /** The Python that it compares with; undefined if `--python none` was given. */
  python(): Promise<Python | undefined>;
  /** The same, for what cannot be measured without. */
  needPython(): Promise<Python>;
}

/** A page of results. */
export interface Page {
  /** Markdown below the title, the command and the circumstances. */
  readonly body: string;
  /** Title and file instead of the benchmark's. */
  readonly title?: string;
  readonly name?: string;
  /** Versions of others' programs that were compared with. */
  readonly versions?: readonly string[];
  /**
   * Each run adds a section of this title to the page, instead of a new page; `body` of the page's
   * beginning is in `intro`.
   */
  readonly section?: string;
  readonly intro?: string;
  /** The numbers miss what is asked of them: the exit code is 1. */
  readonly failed?: boolean;
}

/** A benchmark: the default export of `bench/NAME/main.ts`. */
export interface Benchmark<O extends Options = Options> {
  /** Name of its folder, and of its page in `bench/results`. */
  readonly name: string;
  readonly title: string;
  /** What it measures, one sentence. */
  readonly measures: string;
  /** Its pages in `bench/results`, where it writes others than one of its name. */
  readonly pages?: readonly string[];
  /** About how many minutes its usual command takes on two quiet cores. */
  readonly minutes: number;
  /** The command's usual arguments, where the benchmark does not run without. */
  readonly usual?: string;
  /** What must be there, such as the shared photos. */
  readonly needs?: string;
  readonly options: O;
  /** Folder in `bench` whose `requirements.txt` lists its Python packages. */
  readonly requirements?: string;
  /**
   * Whether `runs/bench-NAME` keeps what a run made, for the next one: finished trainings are not
   * run again, and a stopped one continues. A folder that is thrown away otherwise.
   */
  readonly keeps?: boolean;
  /** Returns its page; undefined: there is none to write. */
  run(values: Values<O>, place: Place): Promise<Page | undefined>;
  /** A part of it, in a process of its own ({@link inProcess}). */
  job?(input: never): Promise<unknown>;
}

const root = join(import.meta.dirname, "../..");

const requirementsOf = (name: string): string => join(root, "bench", name, "requirements.txt");

/** Keeps the types of a definition. */
export const defineBenchmark = <const O extends Options>(benchmark: Benchmark<O>): Benchmark<O> => benchmark;

const common = {
  out: { help: "folder of the page", default: "bench/results" },
  page: { help: "name of the page instead of its usual one" },
  work: { help: "folder for what is made on the way" },
  note: { help: "a sentence on the machine's state, such as that other programs were running" },
} as const satisfies Readonly<Record<string, Option>>;

const forPython = {
  python: { help: "Python that the environment is made from; none: without comparison", default: "python3" },
  venv: { help: "folder of the environment" },
} as const satisfies Readonly<Record<string, Option>>;

/** Where a benchmark is run. */
const ofPlace: ReadonlySet<string> = new Set(
  [...Object.keys(common), ...Object.keys(forPython)].filter((name) => name !== "note"),
);

/**
 * Runs a benchmark with the arguments of the command line: help, a job of a parent process, or all
 * of it.
 */
export async function runBenchmark(benchmark: Benchmark, args: readonly string[]): Promise<void> {
  if (args[0] === "--job") return answerJob(benchmark);
  const python = benchmark.requirements === undefined ? {} : forPython;
  const options = { ...benchmark.options, ...common, ...python };
  if (args.includes("--help")) {
    console.log(printHelp(benchmark, options));
    return;
  }
  const values = readOptions(options, args) as Values<Options> &
    Values<typeof common> &
    Partial<Values<typeof forPython>>;
  const begin = beginning();
  const kept = values.work ?? (benchmark.keeps === true ? join(root, "runs", `bench-${benchmark.name}`) : undefined);
  const work = kept ?? (await mkdtemp(join(tmpdir(), `petalface-bench-${benchmark.name}-`)));
  const made = await mkdir(work, { recursive: true });
  try {
    const page = await benchmark.run(values, placeOf(benchmark, work, values));
    if (page === undefined) return;
    const usual = page.name ?? benchmark.name;
    const name = values.page ?? usual;
    const folder = resolve(root, values.out);
    const file = join(folder, `${name}.md`);
    const named = name === usual ? [] : ["--page", name];
    const command = `npm run bench -- ${[benchmark.name, ...quoted([...given(args), ...named])].join(" ")}`;
    const note = values.note === undefined ? "" : `\n\n**${values.note}**`;
    const text = await render(benchmark, page, `    ${command}\n\n${circumstances(begin, page.versions)}${note}`, file);
    await mkdir(folder, { recursive: true });
    await writeFile(file, text);
    console.log(text);
    if (page.failed === true) process.exitCode = 1;
  } finally {
    if (kept === undefined) await rm(work, { recursive: true, force: true });
    // A folder with work in it stays: rmdir fails.
    else if (made !== undefined) await rmdir(work).catch(() => undefined);
  }
}

function placeOf(
  { requirements }: Benchmark,
  work: string,
  { python: base = "python3", venv }: Partial<Values<typeof forPython>>,
): Place {
  let made: Promise<Python> | undefined;
  const python = async (): Promise<Python | undefined> => {
    if (base === "none" || requirements === undefined) return undefined;
    made ??= makePython(venv ?? join(root, "runs/bench-python", requirements), base, requirementsOf(requirements));
    return made;
  };
  return {
    work,
    python,
    needPython: async () => {
      const found = await python();
      if (found === undefined)
        throw new UsageError(`this compares with Python and cannot do without; leave out --python none`);
      return found;
    },
  };
}

/** The arguments of a run that its numbers depend on. */
function given(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const [name = "", value] = (args[at] ?? "").replace(/^--/, "").split("=", 2);
    const isNone = name === "python" && (value ?? args[at + 1]) === "none";
    if (!ofPlace.has(name) || isNone) kept.push(args[at] ?? "");
    else if (value === undefined) at++;
  }
  return kept;
}

/** Arguments as a shell takes them. */
const quoted = (args: readonly string[]): string[] =>
  args.map((text) => (/^[\w./:,=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`));

async function render(benchmark: Benchmark, page: Page, head: string, file: string): Promise<string> {
  const title = `# ${page.title ?? benchmark.title}`;
  if (page.section === undefined) return `${title}\n\n${head}\n\n${page.body.trim()}\n`;
  const earlier = await readFile(file, "utf8").catch(() => `${title}\n\n${(page.intro ?? "").trim()}\n`);
  return `${earlier}\n## ${page.section}\n\n${head}\n\n${page.body.trim()}\n`;
}

/** The command of a benchmark as its page and README name it. */
export const usualCommand = ({ name, usual }: Pick<Benchmark, "name" | "usual">): string =>
  ["npm run bench --", name, ...(usual === undefined ? [] : [usual])].join(" ");

const printHelp = (benchmark: Benchmark, options: Options): string => `${usualCommand(benchmark)}

${benchmark.measures}
About ${benchmark.minutes} minutes on two quiet cores.${benchmark.needs === undefined ? "" : ` Needs ${benchmark.needs}.`}

${printOptions(options)}`;

/** In a process of its own: does the one job that the parent sends, and answers. */
async function answerJob({ name, job }: Benchmark): Promise<void> {
  const input = await new Promise((resolve) => process.once("message", resolve));
  const answer = (message: object): void => void process.send?.(message, () => process.exit(0));
  // A job whose parent was ended has no use.
  process.once("disconnect", () => process.exit(1));
  if (job === undefined) return answer({ error: `${name} has no jobs` });
  try {
    const value = await job(input as never);
    answer({ value, ...usage() });
  } catch (error) {
    answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
