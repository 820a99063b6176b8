import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The projects of vitest.config.ts in the order in which they run. */
const order = ["alone", "whole", "unit"];

/**
 * Long files first and the quick tests at the very end, so that no worker is without work while the
 * other still has a long file. vitest itself orders projects by name. Files of one project stay
 * together, because they share their workers.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project }: TestSpecification): number => order.indexOf(project.name);
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
