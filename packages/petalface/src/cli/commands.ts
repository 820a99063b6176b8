import type { Command } from "commander";
import { degradeCommand } from "./commands/degrade.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { modelsCommand } from "./commands/models.ts";
import type { CliContext } from "./context.ts";

/** Adds one command to the program. */
type Register = (program: Command, context: CliContext) => void;

/** Every command, in the order in which `petalface --help` lists them. */
export const commands: readonly Register[] = [degradeCommand, modelsCommand, doctorCommand];
