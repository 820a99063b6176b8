import type { Reporter, TestModule } from "vitest/node";
import { groupSkipped, type SkippedTest } from "./skipped.ts";

/**
 * Ends every run with what was skipped and why, so that a green run without the shared data is not
 * mistaken for a full one, and with the counts on a plain line, whatever colours the terminal has.
 */
export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: SkippedTest[] = [];
    const counts = { passed: 0, failed: 0 };
    for (const module of modules) {
      // A file that does not even load has no tests, and must not look like nothing failed.
      if (module.errors().length > 0) counts.failed++;
      const unready = module.state() === "failed" ? "their file failed before they ran" : undefined;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed" || result.state === "failed") counts[result.state]++;
        if (result.state === "skipped")
          skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, note: result.note ?? unready });
      }
    }
    for (const group of groupSkipped(skipped)) {
      console.log(`${group.names.length} skipped, ${group.reason}:`);
      for (const name of group.names) console.log(`  ${name}`);
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${skipped.length} skipped`);
  }
}
