import type { Reporter, TestModule } from "vitest/node";
import { groupSkipped, type SkippedTest } from "./skipped.ts";

/** Ends every run with what was skipped and why, so that a green run without the shared data is not mistaken for a full one. */
export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: SkippedTest[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const note = result.state === "skipped" ? result.note : undefined;
        skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, note });
      }
    }
    for (const group of groupSkipped(skipped)) {
      console.log(`${group.names.length} skipped, ${group.reason}:`);
      for (const name of group.names) console.log(`  ${name}`);
    }
  }
}
