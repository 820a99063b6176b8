import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { PetalfaceError } from "../../../errors.ts";
import { cannotStart, startProgram } from "../../../programs.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { placeholderIn, type ReproducibleTable, tablesIn } from "./tables.ts";

/** `petalface reproduce`: makes a page of results again, with the command that the page names. */
export function reproduceCommand(program: Command, context: CliContext): void {
  const command = program
    .command("reproduce")
    .description("make a table of bench/results again, with the command that its page names")
    .argument("[table]", "name of the page; without one, or with list, all are listed")
    .action((table: string | undefined) => run(table ?? "list", context));
  withExamples(command, "reproduce list", "reproduce copies");
}

/** The repository that holds this file and its benchmarks. The published package has none. */
function repository(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "bench/main.ts"))) return folder;
    if (dirname(folder) === folder)
      throw new PetalfaceError(
        "PETAL_PROGRAM_MISSING",
        "the benchmarks are not in this package: run the command in petalface's repository",
      );
  }
}

async function run(name: string, context: CliContext): Promise<void> {
  const root = repository();
  const tables = await tablesIn(join(root, "bench/results"));
  if (name === "list") {
    context.result({ tables }, list(tables));
    return;
  }
  const table = tables.find((each) => each.name === name);
  if (table === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `there is no table "${name}"; the tables are ${tables.map((each) => each.name).join(", ")}`,
    );
  if (table.args === undefined)
    throw new PetalfaceError("PETAL_RESULT_INVALID", `bench/results/${name}.md does not name the command that made it`);
  const missing = placeholderIn(table.args);
  const line = `npm run bench -- ${table.args.join(" ")}`;
  if (missing !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `replace ${missing} in this command and run it yourself: ${line}`);
  context.note(line);
  const [code, signal] = await bench(root, table.args, context.signal);
  context.signal.throwIfAborted();
  if (code !== 0)
    throw new PetalfaceError("PETAL_SYSTEM_FAILED", `${line} ended with ${signal ?? `exit code ${code}`}`);
  context.result({ table: name, command: line }, `done; what changed: git diff bench/results/${name}.md`);
}

const list = (tables: readonly ReproducibleTable[]): string =>
  tables
    .map(({ name, title, args }) => `${name}: ${title}${args === undefined ? " (its page names no command)" : ""}`)
    .join("\n");

function bench(
  root: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    const child = startProgram("the benchmark", process.execPath, [join(root, "bench/main.ts"), ...args], {
      cwd: root,
      // What a benchmark prints is progress; stdout holds the result alone.
      stdio: ["ignore", 2, 2],
    });
    const stop = (): void => void child.kill("SIGINT");
    signal.addEventListener("abort", stop);
    child.once("error", (cause) => reject(cannotStart("the benchmark", cause)));
    child.once("exit", (...end) => {
      signal.removeEventListener("abort", stop);
      resolve(end);
    });
  });
}
