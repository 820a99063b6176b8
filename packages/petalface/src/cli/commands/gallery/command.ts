import type { Command } from "commander";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { addCommand } from "./add.ts";
import { createCommand } from "./create.ts";
import { checkCommand, indexCommand, listCommand, removeCommand } from "./manage.ts";
import { migrateCommand } from "./migrate.ts";
import { searchCommand } from "./search.ts";
import { exportCommand, importCommand } from "./transfer.ts";

/** `petalface gallery ...`: who is enrolled, and who a face is. */
export function galleryCommand(program: Command, context: CliContext): void {
  const command = program
    .command("gallery")
    .description("enrol faces, say who a face is or that it is unknown, forget people, change the model");
  const subcommands = [
    ...[createCommand, addCommand, searchCommand, listCommand, removeCommand, checkCommand],
    ...[migrateCommand, exportCommand, importCommand, indexCommand],
  ];
  for (const register of subcommands) register(command, context);
  withExamples(
    command,
    "gallery create people.db --model fr_feature",
    "gallery add people.db faces",
    "gallery search people.db photo.jpg",
  );
}
