import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The projects of vitest.config.ts in the order in which they run. */
const order = ["bounded", "alone", "whole", "unit"];

/**
 * The longest files of "whole", by their time on two cores with five workers. vitest remembers such
 * times, but a fresh clone has none: it would begin a small file of minutes near the end.
 */
export const longest = [
  "cluster/mpi",
  "studio",
  "site",
  "build",
  "console",
  "providers/browser",
  "journey",
  "evaluation/study-page",
  "cli/demo",
  "deploy/guides",
  "server/kill",
  "gallery/contract",
  "docs/code-blocks",
  "cli/adapt-kill",
  "privacy",
  "cluster/ranks",
  "cluster/work",
  "providers/gradients",
  "gallery/kill",
  "providers/adapt",
  "cli/gallery-session",
  "faces/align",
  "cluster/parts",
];

/** The place of a file among the longest; behind them all if it is none of them. */
function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.findIndex((name) => moduleId.replaceAll("\\", "/").endsWith(`/${name}.test.ts`));
  return place < 0 ? longest.length : place;
}

/**
 * Long files first and the quick tests at the very end, so that no worker is without work while the
 * other still has a long file. vitest itself orders projects by name. Files of one project stay
 * together, because they share their workers.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project }: TestSpecification): number => order.indexOf(project.name);
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other) || placeOf(one) - placeOf(other));
  }
}
