import type { Command } from "commander";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { withFlags } from "../../flags.ts";
import { plainTable } from "../../table.ts";

/** `petalface doctor`: does this machine have what petalface needs? */
export function doctorCommand(program: Command, context: CliContext): void {
  const command = program
    .command("doctor")
    .description("check that this machine has everything that petalface needs; exit code 1 if not")
    .action(async () => {
      const { diagnose } = await import("../../../api/diagnosis.ts");
      const findings = (await diagnose()).map(({ todo, ...rest }) => ({
        ...rest,
        ...(todo !== undefined && { todo: withFlags(todo) }),
      }));
      const ok = findings.every((finding) => finding.state !== "broken");
      const rows = findings.map(({ state, name, detail, todo }) => [state, name, todo ? `${detail}: ${todo}` : detail]);
      context.result({ ok, findings }, plainTable(rows));
      if (!ok) context.exitCode = 1;
    });
  withExamples(command, "doctor", "doctor --json");
}
