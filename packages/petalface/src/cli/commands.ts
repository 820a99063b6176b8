import type { Command } from "commander";
import type { CliContext } from "./context.ts";

/** Adds one command to the program. */
type Register = (program: Command, context: CliContext) => void;

/** Every command by name, in the order in which `petalface --help` lists them. */
const commands: Readonly<Record<string, () => Promise<Register>>> = {
  adapt: async () => (await import("./commands/adapt.ts")).adaptCommand,
  embed: async () => (await import("./commands/embed.ts")).embedCommand,
  evaluate: async () => (await import("./commands/evaluate.ts")).evaluateCommand,
  compare: async () => (await import("./commands/compare.ts")).compareCommand,
  quality: async () => (await import("./commands/quality.ts")).qualityCommand,
  inspect: async () => (await import("./commands/inspect.ts")).inspectCommand,
  import: async () => (await import("./commands/import.ts")).importCommand,
  export: async () => (await import("./commands/export.ts")).exportCommand,
  data: async () => (await import("./commands/data.ts")).dataCommand,
  align: async () => (await import("./commands/align.ts")).alignCommand,
  degrade: async () => (await import("./commands/degrade.ts")).degradeCommand,
  models: async () => (await import("./commands/models.ts")).modelsCommand,
  demo: async () => (await import("./commands/demo.ts")).demoCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
};

/** Names of all commands. */
export const commandNames: readonly string[] = Object.keys(commands);

/**
 * Loads the command that the arguments name, or all of them where help or a suggestion may be wanted.
 * One alone starts faster, and `doctor` must start where the native libraries of the others do not load.
 */
export async function loadCommands(args: readonly string[]): Promise<Register[]> {
  const named = args.find((arg) => !arg.startsWith("-"));
  const wanted = named !== undefined && Object.hasOwn(commands, named) ? [named] : commandNames;
  return Promise.all(wanted.map((name) => (commands[name] as () => Promise<Register>)()));
}
